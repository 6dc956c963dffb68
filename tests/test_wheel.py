"""What people install: the wheel, in a virtual environment that has nothing else of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_brings_schemas_and_template_and_plays_the_demo(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, f"{command[:4]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", TOP)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for directory in ("schemas", "registry-template"):
        for file in (TOP / directory).rglob("*"):
            if file.is_file():
                assert f"muster/{file.relative_to(TOP).as_posix()}" in inside
    assert not any(name.startswith(("tests/", "docs/", "benchmarks/")) for name in inside)

    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv" / "bin" / "pip", "install", "-q", f"{wheel}[demo]")
    muster = tmp_path / "venv" / "bin" / "muster"
    run(muster, "init", "registry")
    run(muster, "-R", "registry", "check")
    said = run(muster, "demo")
    assert "every rule holds" in said
