"""Hooks: what git tells the one it runs on a push, and putting one into a repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...core.errors import Refused, Unavailable
from .layout import find_layout, start_of
from .process import Git

# Where the objects of a push are until it is accepted (see "Quarantine Environment" in git-receive-pack(1)).
_QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")


def pushed(environment: Mapping[str, str]) -> tuple[Path, Mapping[str, str]]:
    """Return the repository that a hook was run for, and the environment that lets git see what was pushed to it.

    `environment` is the hook's own. Refused if git did not run it.
    """
    if "GIT_DIR" not in environment:
        raise Refused("this is run by git, on a server", "put it there with `muster hook install`")
    directory = Path(environment["GIT_DIR"]).absolute()
    kept = {name: environment[name] for name in _QUARANTINE if name in environment}
    return directory, {"GIT_DIR": os.fspath(directory), **kept}


def install_hook(location: Path, name: str, script: str, mark: str) -> Path:
    """Write a hook into the bare repository at location and return its path.

    Refused where there is no bare repository, git looks for hooks elsewhere, or another hook, without the mark, is there.
    """
    git = Git(start_of(location.absolute()))
    layout = find_layout(git, str(location))
    if layout.top is not None:
        raise Refused(f"{location} is a working copy", "name the bare repository that people push to")
    configured = git.ask("config", "--get-all", "core.hooksPath").stdout.decode().splitlines()
    if elsewhere := [path for path in configured if path != os.devnull]:  # the last is ours: see `Git`
        hint = f"git -C {layout.common} config --unset core.hooksPath"
        raise Refused(f"core.hooksPath sends git to {elsewhere[-1]} for hooks", hint)
    path = layout.common / "hooks" / name
    if path.exists() and mark not in path.read_text(errors="replace"):
        raise Refused(f"{path} is another hook", f"call `muster hook {name}` from it, with the same input")
    draft = path.with_name(f"{name}.{os.getpid()}")
    try:
        path.parent.mkdir(exist_ok=True)
        draft.write_text(script)
        draft.chmod(0o755)
        draft.replace(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
    return path
