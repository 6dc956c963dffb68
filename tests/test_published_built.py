"""What `muster index` publishes is what a reader of it reads: the same answers, state after state, signed or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster import Integrity, Registry
from support.cli import bikes, carry_out
from support.plain_index import new_key, public
from test_published_tree import questions

pytestmark = pytest.mark.slow


def publish(path: Path, capsys: pytest.CaptureFixture[str], *options: str | Path) -> None:
    said = carry_out(capsys, "-R", path, "index", "publish", path.parent / "index", *options)
    assert said.code == 0, said.err


def compared(path: Path, **options: object) -> None:
    with Registry(path) as git, Registry(f"index+{path.parent / 'index'}", **options) as index:  # type: ignore[arg-type]
        assert questions(index.snapshot()) == questions(git.snapshot())
        assert index.search() == git.search()
        assert index.models() == git.models()
        assert index.birth() == git.birth()


def test_a_registry_that_moves_on_is_read_as_it_is_after_each_publishing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bikes(tmp_path)
    publish(path, capsys)
    compared(path)
    with Registry(path) as registry:
        for move in (
            lambda: registry.annotate("bikes/3", description="the third", tags={"a": "b"}),
            lambda: registry.yank("bikes/1", reason="leaks"),
            lambda: registry.delete("bikes/1", reason="gone"),
            lambda: registry.set_alias("champion", "bikes/2"),
            lambda: registry.rename("vans", "lorries"),
        ):
            move()
            publish(path, capsys)
            compared(path)


def test_a_signature_of_the_publisher_is_what_a_reader_asks_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key, other = bikes(tmp_path), new_key(tmp_path / "key"), new_key(tmp_path / "other")
    publish(path, capsys, "--key", key)
    compared(path, keys=[public(key)])
    with pytest.raises(Integrity):
        compared(path, keys=[public(other)])


def test_files_are_pulled_from_where_the_publisher_says_that_readers_find_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bikes(tmp_path)
    publish(path, capsys, "--artifacts-url", tmp_path / "server.git.artifacts")
    with Registry(f"index+{tmp_path / 'index'}") as index:
        index.pull("bikes@champion", tmp_path / "out")
    assert (tmp_path / "out" / "3.bin").read_bytes() == bytes([3]) * 2000
