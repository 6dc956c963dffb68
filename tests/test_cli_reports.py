"""`muster check` on a real registry, in each format and into files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from support.cli import Said, bikes, carry_out, clone_of
from support.gitcli import git

Muster = Callable[..., Said]


@pytest.fixture
def muster(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Muster:
    """Run a command in a clone of the registry, which is the working directory."""
    monkeypatch.chdir(clone_of(bikes(tmp_path), tmp_path / "clone"))

    return partial(carry_out, capsys)


@pytest.fixture
def tampered(muster: Muster) -> Muster:
    """The clone, with a commit on main that edits a registered version."""
    manifest = Path("models/bikes/versions/3.yaml")
    manifest.write_text(manifest.read_text().replace("rmse: 51.25", "rmse: 1.25"))
    git(Path(), "commit", "--quiet", "--all", "--message=better now")
    return muster


@pytest.mark.parametrize(
    ("format", "beginning"),
    [
        ("text", "bikes: manifest of 3 changed"),
        ("json", "{"),
        ("markdown", "<!-- muster -->"),
        ("github", "::error file=models/bikes/versions/3.yaml,title=version_is_immutable::"),
        ("sarif", "{"),
        ("gitlab", "["),
    ],
)
def test_check_reports_in_each_format_and_fails_in_each(
    tampered: Muster, format: str, beginning: str
) -> None:
    said = tampered("check", "origin/main", "main", "--format", format)
    assert said.code == 5 and said.out.startswith(beginning)
    assert said.err == ("" if format == "json" else "1 finding\n")


def test_one_check_writes_several_reports(tampered: Muster) -> None:
    files = ("markdown:report.md", "gitlab:gl.json", "sarif:sub.sarif")
    said = tampered("check", "origin/main", "main", "--format", "github", *(f"--write={f}" for f in files))
    assert said.code == 5 and said.out.startswith("::error ")
    for format, _, path in (file.partition(":") for file in files):
        assert Path(path).read_text() == tampered("check", "origin/main", "main", "--format", format).out


@pytest.mark.parametrize("wrong", ["report.md", "word:report.doc", "markdown:", ":report.md"])
def test_a_report_to_write_names_its_format_and_its_place(muster: Muster, wrong: str) -> None:
    said = muster("check", "--write", wrong)
    assert said.code == 2 and "--write takes FORMAT:PATH" in said.err


def test_check_prints_one_format_at_a_time(muster: Muster) -> None:
    assert muster("check", "--json", "--format", "json").json["ok"]
    said = muster("check", "--json", "--format", "text")
    assert said.code == 2 and "name one format" in said.err


def test_a_report_that_cannot_be_written_is_a_failure_that_names_its_place(muster: Muster) -> None:
    said = muster("check", "--write", "text:nowhere/report.txt")
    assert said.code == 8 and "nowhere/report.txt" in said.err
