"""Which remote is used and with which settings: the committed configuration, and each user's own around it.

DVC's levels, each overriding those before it, key by key: the system's, the user's (global), the
repository's, and `.dvc/config.local`. The repository's comes from the caller as bytes and is judged
(`core.dvcconfig`); the others are their user's own, and the only ones that may hold credentials. Nothing
here imports DVC.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.dvcconfig import DvcConfig, parse_config
from ...core.errors import Invalid, Unavailable

Section = dict[str, Any]

# The keys whose value is a path, which DVC reads as relative to the directory of the file it stands in.
_PATHS = (
    *("url", "credentialpath", "configpath", "keyfile", "cert_path", "key_path"),
    *("gdrive_user_credentials_file", "gdrive_service_account_json_file_path"),
)
_DECISIVE = ("DVC_SYSTEM_CONFIG_DIR", "DVC_GLOBAL_CONFIG_DIR", "HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
_NAMED = re.compile(r"\s*remote\s*\"(.*)\"\s*")
_DEFAULT_KINDS = ("reflink", "copy")
_MAX_JOBS = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """The remote in use. `sections` is the merged configuration in the shape of DVC's own."""

    name: str
    url: str
    sections: Mapping[str, Any]

    @property
    def directory(self) -> Path | None:
        """The directory that the remote is; None for one on a server. Invalid if nobody here can tell where it is."""
        if self._on_server:
            return None
        if not os.path.isabs(self.url):
            raise Invalid(
                f"The registry keeps its artifacts in {self.url}, which is said relative to its repository: from here"
                " nobody can tell where that is.",
                hint=f"Commit a URL or an absolute path, or name one on this machine: "
                f"dvc remote modify --global {self.name} url URL.",
            )
        return Path(self.url)

    @property
    def _on_server(self) -> bool:
        return re.match(r"\w+://", self.url) is not None

    @property
    def shown(self) -> str:
        """The url without what a reader must not see."""
        if not self._on_server:
            return self.url
        from urllib.parse import urlsplit, urlunsplit

        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).rstrip("/")

    def uri(self, oid: str) -> str:
        """Return where an object is: a path or a URL, without credentials."""
        return f"{self.shown}/files/md5/{oid[:2]}/{oid[2:]}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The ways in which a file may come into a DVC cache, best first."""
        kinds = self.sections.get("cache", {}).get("type") or _DEFAULT_KINDS
        return tuple(k.strip() for k in (kinds.split(",") if isinstance(kinds, str) else kinds))

    @property
    def jobs(self) -> int:
        """How many small objects are on their way at once: more cost memory, and are no faster."""
        jobs = str(self.sections["remote"][self.name].get("jobs", ""))
        return min(max(int(jobs), 1), _MAX_JOBS) if jobs.isdecimal() else 4


def settings_of(committed: DvcConfig, root: Path | None) -> Settings:
    """Return the remote to use. Invalid if none is configured, or one that keeps files by their own names.

    `root` is the registry's directory; None where it is not on this machine.
    """
    dvc = None if root is None else Path(os.path.abspath(root)) / ".dvc"
    sections: Section = {}
    for directory in _user_directories():
        _merge(sections, _level(directory / "config"))
    _merge(sections, _with_paths(_committed(committed), dvc))
    if dvc is not None:
        _merge(sections, _level(dvc / "config.local"))
    name = str(sections.get("core", {}).get("remote", "")).lower()
    remote = sections.get("remote", {}).get(name)
    if not name or not isinstance(remote, dict) or "url" not in remote:
        raise Invalid(
            "The registry's .dvc/config names no default remote, so there is nowhere to keep artifacts.",
            hint="dvc remote add --default NAME URL, and commit .dvc/config.",
        )
    if any(str(remote.get(key, "false")).lower() != "false" for key in ("version_aware", "worktree")):
        raise Invalid(
            f"The remote {name!r} keeps files by their own names (version_aware or worktree).",
            hint="Use a remote that is neither.",
        )
    return Settings(name, str(remote["url"]), sections)


def uri_of(config: bytes, root: Path | None, oid: str) -> str:
    """Return where an object is, by the committed configuration in config; see `settings_of` for root."""
    return settings_of(parse_config(config), root).uri(oid)


def stamp_of(root: Path | None) -> tuple[object, ...]:
    """Return what differs once a file differs that `settings_of` reads beside the committed one."""
    own = [] if root is None else [os.path.join(os.path.abspath(root), ".dvc", "config.local")]
    return tuple(_stamp(path) for path in (*(f"{place}/config" for place in _user_directories()), *own))


def _stamp(path: str) -> tuple[str, int, int, int]:
    try:
        found = os.stat(path)
    except OSError:  # it is not there, or whoever reads it is told what is wrong
        return path, 0, 0, 0
    return path, found.st_ino, found.st_mtime_ns, found.st_size


def _committed(config: DvcConfig) -> Section:
    remotes = {name: dict(items) for name, items in config.remotes.items()}
    return {"core": dict(config.core), "cache": dict(config.cache), "remote": remotes}


def _level(path: Path) -> Section:
    """Return one of the user's own files as DVC reads it; nothing if it is not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{path} cannot be read.", hint="Correct it, or remove it.") from error
    try:
        from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]
    except ImportError as error:
        raise Unavailable(
            f"{path} cannot be read without the package configobj.", hint="pip install configobj"
        ) from error

    try:
        sections = _lower(ConfigObj(text.splitlines(True)).dict())
    except ConfigObjError as error:
        # What the error says may quote a secret.
        place = f"{path}:{error.line_number}" if error.line_number else str(path)
        raise Invalid(f"{place} is not DVC's configuration.", hint="Correct it, or remove it.") from None
    named = {match[1]: items for name, items in sections.items() if (match := _NAMED.fullmatch(name))}
    return _with_paths({**sections, "remote": named}, path.parent)


def _user_directories() -> tuple[Path, ...]:
    return _directories_by(tuple(os.environ.get(name) for name in _DECISIVE))


@lru_cache(1)
def _directories_by(variables: tuple[str | None, ...]) -> tuple[Path, ...]:
    """The system's and the user's directory of DVC's settings, where the environment's variables are these."""
    system, user = variables[:2]
    if system and user:
        return Path(system), Path(user)
    try:
        from platformdirs import site_config_dir, user_config_dir
    except ImportError:  # then DVC is not installed either
        found = _directories_of_dvc()
    else:
        found = Path(site_config_dir("dvc", "iterative")), Path(user_config_dir("dvc", "iterative"))
    return Path(system) if system else found[0], Path(user) if user else found[1]


def _directories_of_dvc() -> tuple[Path, Path]:
    """Return where the system's and the user's settings of DVC are, as platformdirs says it."""
    if sys.platform == "darwin":
        within = Path("Library", "Application Support", "dvc")
        return Path("/") / within, Path.home() / within
    everyone = os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0]
    own = os.environ.get("XDG_CONFIG_HOME", "").strip()
    return Path(everyone or "/etc/xdg") / "dvc", Path(own or Path.home() / ".config") / "dvc"


def _merge(into: Section, update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(into.get(key), dict) and isinstance(value, Mapping):
            _merge(into[key], value)
        else:
            into[key] = value


def _lower(section: Mapping[str, Any]) -> Section:
    return {k.lower(): _lower(v) if isinstance(v, Mapping) else v for k, v in section.items()}


def _with_paths(sections: Section, base: Path | None) -> Section:
    """Make paths absolute, where it is known what they are relative to."""
    for remote in sections.get("remote", {}).values():
        for key in _PATHS:
            if isinstance(value := remote.get(key), str) and not re.match(r"\w+://", value):
                path = os.path.expanduser(value)
                remote[key] = path if base is None else os.path.abspath(base / path)
    return sections
