"""Locks: the same bytes again, or none, whatever has become of the registry since."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster import Registry
from muster.core import lockfile
from muster.core.errors import Integrity, Invalid, NotFound
from muster.core.lockfile import Lock, Locked
from support.cli import Days, Said, bikes, carry_out
from support.gitcli import git

TOP = Path(__file__).resolve().parent.parent


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return bikes(tmp_path)


@pytest.fixture
def registry(server: Path) -> Iterator[Registry]:
    with Registry(server, clock=Days()) as opened:
        yield opened


@pytest.fixture
def muster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Run a command where the project that uses the models is."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: carry_out(capsys, *words)


def content(directory: Path) -> bytes:
    (file,) = (path for path in directory.rglob("*") if path.is_file())
    return file.read_bytes()


def test_what_was_locked_comes_again_after_everything_moved_on(
    server: Path, registry: Registry, muster: Any, tmp_path: Path
) -> None:
    assert muster("lock", "bikes@champion", "bikes/production", "vans/latest", "-R", server).code == 0
    registry.set_alias("champion", "bikes/1")
    registry.rename("vans", "lorries")
    assert muster("pull", "bikes@champion", "--locked", "-o", "one").code == 0
    assert content(tmp_path / "one") == bytes([3]) * 2000
    pulled = muster("pull", "--locked", "-o", "all")
    assert pulled.out.splitlines() == ["all/bikes/production", "all/bikes/@champion", "all/vans/latest"]
    assert content(tmp_path / "all" / "vans") == bytes([1]) * 2000
    with Registry(server) as again:
        locked = again.locked(tmp_path / "muster.lock")
        assert Path(str(locked.load("bikes@champion"))).read_bytes() == bytes([3]) * 2000


@pytest.mark.slow
def test_what_moved_is_told_with_who_moved_it_and_updated_line_by_line(
    server: Path, registry: Registry, muster: Any, tmp_path: Path
) -> None:
    muster("lock", "bikes@champion", "bikes/production", "-R", server)
    assert (muster("outdated", "--exit-code").code, muster("outdated").out) == (0, "")
    registry.set_alias("champion", "bikes/1", reason="it drifts")
    said = muster("outdated", "--exit-code")
    assert said.code == 1
    assert re.search(r"bikes@champion +bikes/3 +bikes/1 +20\d\d-\d\d-\d\d \w.*: it drifts", said.out)
    found = {each["reference"]: each for each in muster("outdated", "--json").json}
    assert [found["bikes@champion"][k] for k in ("moved", "reason")] == [True, "it drifts"]
    assert found["bikes/production"]["moved"] is False
    before = (tmp_path / "muster.lock").read_text().splitlines()
    assert muster("update", "--dry-run").code == 0
    assert (tmp_path / "muster.lock").read_text().splitlines() == before
    assert "bikes/1" in muster("update", "bikes@champion").out
    after = (tmp_path / "muster.lock").read_text().splitlines()
    assert (
        before[: before.index("- reference: bikes@champion")]
        == after[: after.index("- reference: bikes@champion")]
    )
    assert "  version: 1" in after
    assert muster("update").err == "nothing to do: everything is as it was locked\n"


@pytest.mark.slow
def test_references_are_added_to_a_lock_and_taken_out(server: Path, muster: Any, tmp_path: Path) -> None:
    muster("lock", "bikes@champion", "-R", server)
    assert (
        muster("lock", "--add", "vans/1", "--add", "models:/bikes/3", "--remove", "bikes@champion").code == 0
    )
    lock = lockfile.read((tmp_path / "muster.lock").read_bytes(), "muster.lock")
    assert [(e.reference, e.name) for e in lock.locked] == [("bikes/3", "bikes/3"), ("vans/1", "vans/1")]
    assert muster("lock", "--remove", "bikes/4").code == 3
    assert muster("lock").code == muster("lock", "bikes/3", "--add", "vans/1").code == 2
    assert muster("lock", "--add", "bikes", "-R", server).code == 3


@pytest.mark.slow
def test_a_yanked_version_comes_with_a_warning_and_a_deleted_one_does_not(
    server: Path, registry: Registry, muster: Any
) -> None:
    muster("lock", "bikes/1", "vans/1", "-R", server)
    registry.yank("bikes/1", reason="trained on the wrong data")
    registry.delete("vans/1", reason="holds personal data")
    yanked = muster("pull", "bikes/1", "--locked", "-o", "yanked")
    assert yanked.code == 0
    assert "warning: bikes/1 is yanked: trained on the wrong data" in yanked.err
    deleted = muster("pull", "vans/1", "--locked", "-o", "deleted")
    assert (deleted.code, "vans/1 was deleted by" in deleted.err) == (3, True)
    table = muster("outdated").out
    assert "bikes/1 is yanked: trained on the wrong data" in table
    assert re.search(r"vans/1 +vans/1 +none +.*holds personal data", table)
    gone = muster("update")
    assert (gone.code, "muster lock --remove vans/1" in gone.err) == (3, True)


@pytest.mark.parametrize("changed", ["digest", "oid", "manifest"])
def test_another_version_than_the_lock_says_is_not_delivered_and_both_are_named(
    registry: Registry, tmp_path: Path, changed: str
) -> None:
    from muster import locking

    lock = locking.lock(registry, ["bikes@champion"])
    other = {"digest": f"sha256:{'0' * 64}", "oid": f"{'0' * 32}.dir", "manifest": f"sha256:{'0' * 64}"}[
        changed
    ]
    entry = replace(lock.locked[0], **{changed: other})
    with pytest.raises(Integrity) as caught:
        locking.LockedRegistry(registry, lock.but([entry])).pull("bikes@champion", tmp_path / "out")
    assert other in str(caught.value) and getattr(lock.locked[0], changed) in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_registry_than_the_one_that_was_locked_is_refused(
    server: Path, muster: Any, tmp_path: Path
) -> None:
    muster("lock", "bikes/1", "-R", server)
    (tmp_path / "other").mkdir()
    with Registry.create(tmp_path / "other" / "server.git", bare=True) as other:
        other.register("bikes", tmp_path / "1.bin")
        births = other.birth()[:12]
    for words in (
        ("pull", "--locked", "-o", "out"),
        ("outdated",),
        ("update",),
        ("lock", "--add", "bikes/1"),
    ):
        refused = muster(*words, "-R", tmp_path / "other" / "server.git")
        assert (refused.code, births in refused.err) == (7, True), words


@pytest.mark.slow
def test_a_commit_that_is_no_more_in_the_history_is_not_needed(
    server: Path, registry: Registry, muster: Any, tmp_path: Path
) -> None:
    muster("lock", "bikes@champion", "-R", server)
    path = tmp_path / "muster.lock"
    commit = re.search("commit: (.*)", path.read_text())
    assert commit is not None
    path.write_text(path.read_text().replace(commit[1], "a1" * 20))
    assert muster("pull", "--locked", "bikes@champion", "-o", "out").code == 0
    assert content(tmp_path / "out") == bytes([3]) * 2000


@pytest.mark.slow
def test_what_is_cached_is_pulled_while_the_registry_cannot_be_asked(muster: Any, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"model")
    server = tmp_path / "own.git"
    with Registry.create(server, bare=True, remote=str(tmp_path / "store")) as registry:
        registry.register("bikes", tmp_path / "model.bin", aliases=("champion",))
    assert muster("lock", "bikes@champion", "-R", server.as_uri()).code == 0
    assert muster("pull", "--locked", "bikes@champion", "-o", "before").code == 0
    server.rename(tmp_path / "away.git")
    after = muster("pull", "--locked", "bikes@champion", "-o", "after")
    assert (after.code, "nobody could be asked whether bikes/1 has been" in after.err) == (0, True)
    assert content(tmp_path / "after") == content(tmp_path / "before") == b"model"
    offline = muster("--offline", "pull", "--locked", "bikes@champion", "-o", "offline")
    assert (offline.code, content(tmp_path / "offline")) == (0, b"model")


@pytest.mark.slow
def test_a_lock_written_in_a_clone_names_where_it_was_cloned_from(
    server: Path, tmp_path: Path, muster: Any
) -> None:
    git(server, "clone", "-q", server.as_uri(), str(tmp_path / "clone"))
    assert muster("lock", "bikes/1", "-R", tmp_path / "clone").code == 0
    assert f"  url: {server.as_uri()}\n" in (tmp_path / "muster.lock").read_text()


hexadecimal = st.text("0123456789abcdef", min_size=64, max_size=64)
entries = st.builds(
    Locked,
    st.sampled_from(["bikes@champion", "bikes/production", "bikes/1.4.0", "bikes/3", "no/latest", "1e5@on"]),
    st.sampled_from(["bikes", "no", "1e5"]),
    st.integers(1, 10**6),
    st.none() | st.sampled_from(["1.4.0", "on", "2026-05-01"]),
    hexadecimal.map("sha256:{}".format),
    hexadecimal.map(lambda text: f"{text[:32]}.dir"),
    hexadecimal.map("sha256:{}".format),
    hexadecimal,
)


@given(st.lists(entries, max_size=3))
@settings(max_examples=30, deadline=None)
def test_a_lock_is_read_as_it_was_written(locked: list[Locked]) -> None:
    lock = Lock("https://git.example.com/ml/registry.git", "0" * 40).but(locked)
    assert lockfile.read(lockfile.dump(lock), "muster.lock") == lock


GOOD = lockfile.dump(
    Lock("https://example.com/r.git", "0" * 40).but(
        [
            Locked(
                "bikes/1",
                "bikes",
                1,
                None,
                f"sha256:{'1' * 64}",
                f"{'2' * 32}.dir",
                f"sha256:{'3' * 64}",
                "4" * 40,
            )
        ]
    )
).decode()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("version: 1", "version: one", "muster.lock:9:12: locked[0].version: 'one' is not of type 'integer'"),
        ("version: 1", "version: 012", "muster.lock:9:12: 012 means different things"),
        ("  model: bikes\n", "", "muster.lock:7:3: locked[0]: 'model' is a required property"),
        ("reference: bikes/1", "reference: bikes", "muster.lock:7:14: bikes names a model, not a version"),
        ("reference: bikes/1", "reference: a//b", "muster.lock:7:14: 'a//b' is not a reference"),
        ("https://", "https://ann:secret@", "muster.lock:4:8: a URL in a lock has no password"),
        ("schema: 1", "schema: 2", "muster.lock:2:9: schema version 2 is newer than this muster"),
        ("locked:", "locked: [", "muster.lock:"),
        ("birth: '0", "birth: 'x", "muster.lock:5:10: registry.birth"),
    ],
)
def test_a_lock_that_was_edited_wrong_is_refused_at_its_place(old: str, new: str, found: str) -> None:
    assert old in GOOD
    with pytest.raises(Invalid) as caught:
        lockfile.read(GOOD.replace(old, new).encode(), "muster.lock")
    assert found in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_reference_is_locked_once_and_a_missing_lock_is_said_to_be_missing(registry: Registry) -> None:
    head, _, entry = GOOD.partition("locked:\n")
    with pytest.raises(Invalid, match=r"muster\.lock:\d+:14: bikes/1 is locked twice"):
        lockfile.read(f"{head}locked:\n{entry}{entry}".encode(), "muster.lock")
    with pytest.raises(NotFound, match=r"there is no nothing\.lock"):
        registry.locked("nothing.lock")


@pytest.mark.slow
def test_the_patterns_for_bots_in_the_documentation_find_what_a_lock_holds(server: Path, muster: Any) -> None:
    muster("lock", "bikes@champion", "bikes/production", "-R", server)
    page = (TOP / "docs" / "locks.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (manager,) = json.loads(block)["customManagers"]
    file_pattern, pattern = manager["managerFilePatterns"][0], manager["matchStrings"][0]
    assert re.search(file_pattern.strip("/"), "services/muster.lock")
    text = Path("muster.lock").read_text()
    found = [match.groupdict() for match in re.finditer(pattern.replace("(?<", "(?P<"), text)]
    lock = lockfile.read(text.encode(), "muster.lock")
    assert [(f["depName"], f["packageName"], int(f["currentValue"]), f["currentDigest"]) for f in found] == [
        (e.reference, e.model, e.version, e.digest) for e in lock.locked
    ]
