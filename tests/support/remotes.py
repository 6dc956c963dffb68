"""Servers that keep artifacts, each a process of its own on this machine: S3, SSH, HTTP and WebDAV."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.dvc_project import Project, project
from support.serving import free_port, in_process

_WEBDAV = """
import sys
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
anyone = {"user_mapping": {"*": True}}
app = WsgiDAVApp({"provider_mapping": {"/": sys.argv[2]}, "simple_dc": anyone, "verbose": 0,
                  "logging": {"enable": False}, "property_manager": None, "lock_storage": None})
wsgi.Server(("127.0.0.1", int(sys.argv[1])), app).start()
"""


@dataclass(frozen=True)
class Served:
    """A registry whose remote is on a server, and the directory in which that server keeps it, if any."""

    registry: Project
    process: subprocess.Popen[bytes]
    port: int
    directory: Path | None = None

    def through(self, port: int) -> Project:
        """The same registry, reached by another port."""
        config = self.registry.config.replace(f":{self.port}".encode(), f":{port}".encode())
        known = Path.home() / ".ssh/known_hosts"
        if known.exists():
            host = known.read_text()
            known.write_text(host + host.replace(f":{self.port} ", f":{port} "))
        return Project(self.registry.root, config, self.registry.cache)


@contextlib.contextmanager
def moto_server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run an S3 server."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with in_process(command, port) as process:
        yield port, process


def on_s3(top: Path, moto: tuple[int, subprocess.Popen[bytes]]) -> Served:
    """Make a registry with a bucket of its own."""
    import boto3

    endpoint = f"http://127.0.0.1:{moto[0]}"
    bucket = f"b{top.name.replace('_', '-')[-40:]}".lower()
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)
    return Served(project(top, f"s3://{bucket}/a/store", {"endpointurl": endpoint}), moto[1], moto[0])


@contextlib.contextmanager
def over_ssh(top: Path) -> Iterator[Served]:
    """Run an SSH server that the user's own key opens."""
    port, keys, home = free_port(), top / "keys", top / "home/.ssh"
    keys.mkdir()
    home.mkdir()
    for path in (keys / "host", home / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
    (keys / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {keys}/host\nPidFile none\n"
        "StrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {home}/id_ed25519.pub\nPermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd started by root will not run without it
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert sshd is not None
    with in_process([sshd, "-D", "-f", str(keys / "sshd_config")], port) as process:
        store = top / "served"
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{store}"
        yield Served(project(top, url), process, port, store)


@contextlib.contextmanager
def over_http(top: Path) -> Iterator[Served]:
    """Run Python's own HTTP server, which knows no ranges."""
    port, store = free_port(), top / "served"
    store.mkdir()
    serve = ["http.server", str(port), "--bind", "127.0.0.1", "--directory", str(store)]
    with in_process([sys.executable, "-m", *serve], port) as process:
        yield Served(project(top, f"http://127.0.0.1:{port}"), process, port, store)


@contextlib.contextmanager
def over_webdav(top: Path) -> Iterator[Served]:
    """Run a WebDAV server that anybody may write to."""
    port, store = free_port(), top / "served"
    store.mkdir()
    with in_process([sys.executable, "-c", _WEBDAV, str(port), str(store)], port) as process:
        yield Served(project(top, f"webdav://127.0.0.1:{port}"), process, port, store)
