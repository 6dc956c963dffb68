"""Who the user is, as git knows it: the author of commits, and the passwords of servers."""

from __future__ import annotations

from ...core.errors import Invalid
from .process import Git, require_git


def author(git: Git) -> str:
    """Return "Name <email>" by git's own rules; Invalid if git does not know who the user is."""
    require_git()  # whoever writes asks this first
    done = git.ask("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    if done.returncode:
        raise Invalid(
            "git does not know who you are",
            hint='git config --global user.name "Your Name" && '
            "git config --global user.email you@example.com",
        )
    return done.stdout.decode(errors="replace").rpartition("> ")[0] + ">"


def password(git: Git, url: str) -> str | None:
    """Return what git would use at url, or its credential helpers say; None if there is none. Nobody is asked for one."""
    if not url.isprintable():
        return None
    silent = {"GIT_ASKPASS": "", "SSH_ASKPASS": "", "GCM_INTERACTIVE": "never"}
    ask = ("-c", "credential.interactive=false", "credential", "fill")
    done = git.ask(*ask, stdin=f"url={url}\n\n".encode(), env=silent)
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    passwords = [line.removeprefix("password=") for line in lines if line.startswith("password=")]
    return passwords[0] if passwords and passwords[0] else None
