"""git's own server for git:// URLs, on a loopback port. It knows no users, and lets nobody push."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from support.serving import free_port, in_process


@contextlib.contextmanager
def git_daemon(repository: Path, log: Path) -> Iterator[str]:
    """Serve a repository for as long as the block lasts; give its URL."""
    port, parent = free_port(), repository.absolute().parent
    where = ["--listen=127.0.0.1", f"--port={port}", "--reuseaddr", f"--base-path={parent}", "--export-all"]
    with in_process(["git", "daemon", *where], port, log):
        yield f"git://127.0.0.1:{port}/{repository.name}"
