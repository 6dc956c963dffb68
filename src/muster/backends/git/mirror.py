"""The mirror of a URL: a bare repository in the user's cache, one for each address."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from ...core.errors import Unavailable
from .address import parse_url
from .process import Git

_CACHE = "set XDG_CACHE_HOME to a directory that can be written"


def mirror_of(url: str, cache: Path | None) -> Path:
    """Return where the mirror of a URL is: the same for everybody's credentials."""
    home = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster" / "git"
    bare = re.sub(r"(?<=//)[^/]*@", "", parse_url(url).url)
    import hashlib

    return home / hashlib.sha256(bare.encode()).hexdigest()[:16]


def make_mirror(mirror: Path, tip: str | None) -> None:
    """Make an empty mirror, with ids as long as tip's, unless there is one. Many may try at once."""
    if (mirror / "HEAD").exists():
        return
    try:
        mirror.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{mirror.parent} cannot be made: {error.strerror}", hint=_CACHE) from error
    draft = mirror.with_name(f"{mirror.name}.{os.getpid()}-{threading.get_ident()}")
    algorithm = "sha256" if tip and len(tip) == 64 else "sha1"
    Git(mirror.parent).run("init", "--quiet", "--bare", f"--object-format={algorithm}", str(draft))
    try:
        draft.rename(mirror)
    except OSError:  # somebody else was first
        import shutil

        shutil.rmtree(draft)
