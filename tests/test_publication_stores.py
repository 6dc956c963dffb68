"""Publishing to what fsspec reaches: memory, S3 by a server of moto's, SFTP by OpenSSH, and reading back over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from muster import Registry
from muster.backends.publication import Target, open_target
from muster.core.errors import Invalid, MusterError, NotFound, Refused, Unavailable
from muster.publishing import verify
from support.indexes import contents, expected, publish
from support.publishing import publish as commit
from support.registry import valid, yaml
from support.serving import free_port, in_process, in_thread
from support.sshd import ssh_server

pytestmark = pytest.mark.slow


@pytest.fixture
def source(bare: Path) -> Path:
    commit(bare, dict(valid().files))
    return bare


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    port = free_port()
    with in_process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    name = f"b{tmp_path.name.replace('_', '-')[-40:]}".lower()
    made = boto3.resource("s3").Bucket(name)
    made.create()
    return made


def files_at(target: Target) -> dict[str, bytes]:
    """Every file of an index."""
    paths = [
        "root.json",
        "publisher.json",
        *(p for d in ("objects", "models", "pointers") for p in target.paths(d)),
    ]
    return {path: data for path in paths if (data := target.read(path)) is not None}


def follows(source: Path, place: str) -> None:
    """Publish at place, twice, and see that all is there, and that nothing is that should not be."""
    target = open_target(place)
    assert publish(source, target).why_full == "there is no index yet"
    commit(
        source,
        {"models/bikes/aliases/champion.yaml": None, "models/new/model.yaml": yaml("description: new")},
    )
    assert publish(source, target).why_full == ""
    files = files_at(target)
    found = contents(files)
    found.pop(".dvc/config")
    assert found == expected(source)
    assert "pointers/bikes/aliases/champion.json" not in files
    assert "models/new.json" in files
    target.write({"objects/ab/cd.json.gz": b"x"})
    target.remove(["objects/ab/cd.json.gz", "objects/ab/never.json.gz"])
    assert target.read("objects/ab/cd.json.gz") is None
    with Registry(source) as registry:
        assert verify(place, (), registry).problems == ()


def test_an_index_is_published_to_whatever_fsspec_knows(source: Path, tmp_path: Path) -> None:
    follows(source, f"memory://{tmp_path.name}/index")


def test_an_index_is_published_to_s3_which_is_told_how_long_each_file_may_be_kept(
    source: Path, bucket: Any
) -> None:
    follows(source, f"s3://{bucket.name}/models/index")
    kinds = {}
    for summary in bucket.objects.filter(Prefix="models/index/"):
        head = summary.Object()
        kinds[summary.key.removeprefix("models/index/").partition("/")[0]] = (
            head.content_type,
            head.cache_control,
        )
    short = ("application/json", "public, max-age=5, must-revalidate")
    assert kinds == {
        "root.json": short,
        "models": short,
        "pointers": short,
        "publisher.json": short,
        "objects": ("application/gzip", "public, max-age=31536000, immutable"),
    }


def test_a_bucket_that_is_not_there_is_said_to_be_missing(source: Path, bucket: Any) -> None:
    with pytest.raises(Unavailable, match="no such bucket"):
        publish(source, open_target("s3://nobody-has-made-this/index"))
    with pytest.raises(NotFound):
        verify(f"s3://{bucket.name}/nowhere")


def test_a_server_that_is_down_is_unavailable_and_not_empty(
    source: Path, monkeypatch: pytest.MonkeyPatch, bucket: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="could not read"):
        publish(source, open_target(f"s3://{bucket.name}/index"))


def test_without_credentials_one_is_told_so(
    source: Path, monkeypatch: pytest.MonkeyPatch, bucket: Any
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused, match="credentials|may not"):
        publish(source, open_target(f"s3://{bucket.name}/index"))


def test_over_sftp_a_file_is_moved_to_its_place(source: Path, tmp_path: Path, sealed: Path) -> None:
    with ssh_server(tmp_path / "sshd") as server:
        (sealed / ".ssh").mkdir()
        place = f"sftp://{server.user}@127.0.0.1:{server.port}{tmp_path}/served/index"
        (sealed / ".ssh/id_ed25519").write_bytes(server.identity.read_bytes())
        (sealed / ".ssh/id_ed25519").chmod(0o600)
        with pytest.raises(Unavailable, match="HostKeyNotVerifiable"):
            publish(source, open_target(place))
        (sealed / ".ssh/known_hosts").write_bytes(server.known_hosts.read_bytes())
        follows(source, place)
    assert (tmp_path / "served/index/root.json").exists()
    assert not list((tmp_path / "served").rglob(".muster-part-*"))


def test_an_index_is_verified_over_http(source: Path, tmp_path: Path) -> None:
    publish(source, tmp_path / "index")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with in_thread(ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=tmp_path))) as server:
        place = f"http://127.0.0.1:{server.server_port}/index"
        assert verify(place).problems == ()
        assert verify(place).models == 4  # one of them was renamed, and left a trace
        next((tmp_path / "index").glob("objects/*/*")).unlink()
        assert verify(place).problems
        with pytest.raises(Invalid, match="by http"):
            open_target(place)


@pytest.mark.parametrize("place", ["nowhere://x/y", "s3://x::memory://y"])
def test_what_no_library_knows_is_refused(source: Path, place: str) -> None:
    with pytest.raises(MusterError):
        publish(source, open_target(place))
