"""A real OpenSSH server on a loopback port, with a host key, a user key and a configuration of its own.

It runs as the user who runs the tests and lets that user in by key only. It serves git and, by sftp, files.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.serving import free_port, in_process


@dataclass(frozen=True, slots=True)
class SshServer:
    """A running server. `identity` is the private key that opens it; `known_hosts` names its own key."""

    port: int
    user: str
    identity: Path
    known_hosts: Path

    @property
    def command(self) -> str:
        """The ssh command that reaches it, for GIT_SSH_COMMAND."""
        options = {
            "IdentityFile": self.identity,
            "UserKnownHostsFile": self.known_hosts,
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
        }
        return " ".join(["ssh", "-F", os.devnull, *(f"-o {name}={value}" for name, value in options.items())])

    def url(self, path: Path) -> str:
        """Return the ssh:// URL of a path on this machine."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path.absolute()}"


@contextlib.contextmanager
def ssh_server(directory: Path) -> Iterator[SshServer]:
    """Run a server, whose files are in directory, for as long as the block lasts."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    host_key, identity = _key(directory / "host_key"), _key(directory / "identity")
    port = free_port()
    public = host_key.with_suffix(".pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    shutil.copy(identity.with_suffix(".pub"), directory / "authorized_keys")
    (directory / "sshd_config").write_text(_configuration(directory, host_key, port))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd locks its unprivileged half in
    with in_process([_sshd(), "-D", "-e", "-f", directory / "sshd_config"], port, directory / "log"):
        yield SshServer(port, getpass.getuser(), identity, directory / "known_hosts")


def _configuration(directory: Path, host_key: Path, port: int) -> str:
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": host_key,
        "AuthorizedKeysFile": directory / "authorized_keys",
        "PidFile": "none",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",  # pytest's directories may be below one that others can write to
        "UsePAM": "no",
        "AcceptEnv": "GIT_PROTOCOL",
        "MaxStartups": "100",
        "Subsystem": "sftp internal-sftp",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def _sshd() -> str:
    found = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("these tests need OpenSSH's server: apt install openssh-server")
    return found  # sshd insists on being started by its absolute path
