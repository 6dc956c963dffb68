"""The artifact store on servers: S3, SSH and HTTP, each a process of its own on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from muster.core.errors import Integrity, Invalid, NotFound, Refused, Unavailable
from support.dvc_project import manifest_files, project, read_files, write_files
from support.remotes import Served
from support.serving import free_port, in_process

pytestmark = pytest.mark.slow

FILES = {f"sub/{n}.bin": bytes([n]) * 2000 for n in range(30)} | {
    "empty": b"",
    "large.bin": os.urandom(1 << 20) * 20,
    "ü b.json": b"{}",
}


@pytest.fixture(params=["s3", "ssh", "webdav"])
def served(request: pytest.FixtureRequest) -> Served:
    return request.getfixturevalue(request.param)


def test_what_was_taken_comes_back_and_is_sent_once(served: Served, tmp_path: Path) -> None:
    source = write_files(tmp_path / "source", FILES)
    store = served.registry.store(work_tree=False)
    assert len(store.missing([f"{n:032x}" for n in range(3)])) == 3
    stored = store.take(source)
    assert store.missing([stored.oid]) == ()
    assert store.verify(stored.oid, manifest_files(stored)) == ()
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES
    sent: list[int] = []
    assert served.registry.store().take(source, lambda what, done, total: sent.append(done)) == stored


def test_dvc_pulls_what_muster_sent(served: Served, tmp_path: Path) -> None:
    registry = served.registry
    stored = registry.store(work_tree=False).take(write_files(tmp_path / "source", FILES))
    registry.write_dvc_file(stored)
    assert "in sync" not in registry.dvc("status", "3.dvc")
    registry.dvc("pull", "3.dvc")
    assert read_files(registry.root / "3") == FILES
    assert "in sync" in registry.dvc("status", "-c", "3.dvc")


def test_muster_pulls_what_dvc_sent(served: Served, tmp_path: Path) -> None:
    registry = served.registry
    stored = project(tmp_path / "elsewhere").store().take(write_files(registry.root / "3", FILES))
    registry.dvc("add", "3")
    registry.dvc("push", "3.dvc")
    store = registry.store(work_tree=False)
    assert store.missing([stored.oid]) == ()
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


def test_muster_pulls_from_http_what_dvc_pushed_to_the_directory_behind_it(
    http: Served, tmp_path: Path
) -> None:
    assert http.directory is not None
    behind = project(tmp_path / "behind", str(http.directory))
    stored = behind.store().take(write_files(behind.root / "3", FILES))
    store = http.registry.store(work_tree=False)
    assert store.missing([stored.oid, "0" * 32]) == ("0" * 32,)
    assert store.take(behind.root / "3") == stored  # all of it is there: nothing to send
    assert store.verify(stored.oid, manifest_files(stored)) == ()
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


def test_a_server_that_only_reads_refuses_to_store(http: Served, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="read-only"):
        http.registry.store().take(write_files(tmp_path / "source", FILES))


@pytest.mark.parametrize("kind", ["ssh", "http"])
@pytest.mark.parametrize("change", [b"!", b""])
def test_other_bytes_from_a_server_are_named_and_nothing_appears(
    kind: str, change: bytes, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    served: Served = request.getfixturevalue(kind)
    assert served.directory is not None
    behind = project(tmp_path / "behind", str(served.directory))
    stored = behind.store().take(write_files(tmp_path / "source", FILES))
    bad = next(f for f in stored.files if f.path == "sub/7.bin")
    place = served.directory / "files/md5" / bad.md5[:2] / bad.md5[2:]
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[len(change) - 1 :] + change * 2 if change else b"")
    store = served.registry.store(work_tree=False)
    with pytest.raises(Integrity, match=r"sub/7\.bin"):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    place.unlink()
    with pytest.raises(NotFound, match=r"sub/7\.bin"):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert [f.path for f in store.verify(stored.oid, manifest_files(stored))] == ["sub/7.bin"]
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob(".scratch-*"))


@pytest.mark.parametrize("kind", ["ssh", "http"])
def test_a_server_that_is_down_is_unavailable(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    served: Served = request.getfixturevalue(kind)
    served.process.kill()
    served.process.wait()
    store = served.registry.store(work_tree=False)
    with pytest.raises(Unavailable):
        store.take(write_files(tmp_path / "source", FILES))
    with pytest.raises(Unavailable):
        store.missing(["0" * 32])
    with pytest.raises(Unavailable):
        store.listing("0" * 32 + ".dir")


def test_a_bucket_that_is_not_there_is_unavailable_and_an_object_not_found(
    s3: Served, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        s3.registry.store().listing("0" * 32 + ".dir")
    config = s3.registry.config.replace(b"s3://", b"s3://absent-")
    store = s3.registry.store(config=config, work_tree=False)
    with pytest.raises(Unavailable):
        store.listing("0" * 32 + ".dir")
    with pytest.raises(Unavailable):
        store.take(write_files(tmp_path / "source", {"a": b"1"}))


def test_an_unknown_host_key_is_refused(ssh: Served, tmp_path: Path) -> None:
    (tmp_path / "home/.ssh/known_hosts").write_text("")
    with pytest.raises(Refused, match="host key"):
        ssh.registry.store().missing(["0" * 32])


def test_a_user_whom_the_server_does_not_know_is_refused(ssh: Served, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    (ssh.registry.root / ".dvc/config.local").write_text(
        f"['remote \"storage\"']\nkeyfile = {tmp_path}/other\n"
    )
    with pytest.raises(Refused):
        ssh.registry.store().missing(["0" * 32])


def test_nobody_is_asked_for_a_password_where_nobody_is(ssh: Served, tmp_path: Path) -> None:
    (tmp_path / "home/.ssh/id_ed25519").unlink()
    with pytest.raises(Refused):
        ssh.registry.store().missing(["0" * 32])


def test_a_part_of_dvc_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        project(tmp_path, "oss://bucket").store().missing(["0" * 32])
    assert caught.value.hint == 'pip install "dvc[oss]"'


def test_settings_that_dvc_refuses_are_the_users_to_correct(tmp_path: Path) -> None:
    registry = project(tmp_path, "s3://bucket")
    (registry.root / ".dvc/config.local").write_text("['remote \"storage\"']\nsecret = hunter2\n")
    with pytest.raises(Invalid) as caught:
        registry.store().missing(["0" * 32])
    assert "hunter2" not in str(caught.value)


def test_a_forbidden_object_is_refused(tmp_path: Path) -> None:
    code = (
        "import http.server, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_error(403)\n"
        "    do_HEAD = do_POST = do_GET\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    port = free_port()
    with in_process([sys.executable, "-c", code, str(port)], port):
        store = project(tmp_path, f"http://127.0.0.1:{port}").store()
        for ask in (store.listing, lambda oid: store.missing([oid])):
            with pytest.raises(Refused):
                ask("0" * 32 + ".dir")


def test_access_that_s3_denies_is_refused(tmp_path: Path) -> None:
    body = "<Error><Code>AccessDenied</Code><Message>x</Message></Error>"
    code = (
        "import http.server, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.rfile.read(int(self.headers.get('content-length') or 0))\n"
        f"        body = b'{body}'\n"
        "        self.send_response(403); self.send_header('content-length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.command == 'HEAD' or self.wfile.write(body)\n"
        "    do_HEAD = do_POST = do_PUT = do_GET\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    port = free_port()
    with in_process([sys.executable, "-c", code, str(port)], port):
        registry = project(
            tmp_path, "s3://b/x", {"endpointurl": f"http://127.0.0.1:{port}", "region": "us-east-1"}
        )
        with pytest.raises(Refused):
            registry.store(work_tree=False).listing("0" * 32 + ".dir")
        with pytest.raises(Refused):
            registry.store(work_tree=False).take(write_files(tmp_path / "source", {"a": b"1"}))
