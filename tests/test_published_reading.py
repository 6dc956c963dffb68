"""A registry read from a published index: the same answers as from git, few requests, and nothing that is not true."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muster import Integrity, Invalid, NotFound, Refused, Registry, Unavailable
from muster.core import names
from support.cli import bikes, carry_out
from support.plain_index import new_key, public, write_root
from support.published import AT, COMMIT, LATER, ago, cached, champion, index_of, moved, opened


@pytest.fixture
def top(tmp_path: Path) -> Path:
    index_of(tmp_path / "index")
    return tmp_path / "index"


# --- what it answers -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_read_has_the_answer_that_git_gives(tmp_path: Path) -> None:
    path = bikes(tmp_path)
    with Registry(path) as git:
        snapshot = git.snapshot()
        index_of(tmp_path / "index", snapshot, commit=snapshot.commit, url=str(path))
        with opened(tmp_path / "index") as index:
            for ask in (
                lambda r: r.models(),
                lambda r: r.model("bikes"),
                lambda r: r.versions("bikes"),
                lambda r: r.get("bikes@champion"),
                lambda r: r.search("metrics.rmse < 60", "metrics.rmse"),
                lambda r: r.search_models("name LIKE 'b%'"),
                lambda r: r.compare("bikes/1", "bikes/2"),
                lambda r: r.resolve("bikes/production"),
                lambda r: r.policy("bikes"),
                lambda r: r.holds(),
                lambda r: r.verify("bikes/1"),
                lambda r: r.at(snapshot.commit).get("bikes/1"),
            ):
                assert ask(index) == ask(git)
            index.pull("bikes@champion", tmp_path / "here")
            git.pull("bikes@champion", tmp_path / "there")
            assert [p.read_bytes() for p in (tmp_path / "here").iterdir()] == [
                p.read_bytes() for p in (tmp_path / "there").iterdir()
            ]
            assert index.load("bikes/1").read_bytes() == bytes([1]) * 2000


def test_what_needs_git_is_refused_and_says_where_git_is(tmp_path: Path) -> None:
    index_of(tmp_path, url="https://git.example/ml/registry.git")
    with opened(tmp_path) as registry:
        registry.get("bikes/1")
        for ask in (
            lambda: list(registry.history()),
            lambda: registry.at("HEAD~1"),
            lambda: registry.set_alias("champion", "bikes/3"),
            lambda: registry.check(),
        ):
            with pytest.raises(Refused, match="published index") as caught:
                ask()
            assert "https://git.example/ml/registry.git" in caught.value.hint


def test_the_registrys_first_commit_is_what_the_root_says(top: Path) -> None:
    assert opened(top).birth() == "b" * 40


def test_a_branch_of_an_index_is_none(top: Path) -> None:
    with pytest.raises(Invalid, match="one branch"):
        Registry(f"index+{top}", "main")


def test_an_index_is_named_by_path_or_by_file_url(top: Path) -> None:
    assert champion(top) == 2
    assert Registry(f"index+{top.as_uri()}").resolve("bikes@champion").commit == COMMIT
    assert Registry(f"index+{top.as_uri()}/").location == f"index+{top.as_uri()}/"


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("index+https://cdn.example/a?token=b", Invalid),
        ("index+file://elsewhere/a", Invalid),
        ("index+", Invalid),
        ("index+https:///a", Invalid),
        ("index+nothing://a/b", Unavailable),
        ("index+/nowhere/at/all", Unavailable),
        ("index+https://cdn.example/a#key", Invalid),
    ],
)
def test_a_location_that_is_none_is_an_error_that_says_so(location: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Registry(location).get("bikes/1")


def test_a_password_in_the_location_is_never_shown() -> None:
    registry = Registry("index+https://ann:secret@cdn.example/a#SHA256:" + "A" * 43)
    assert registry.location == "index+https://cdn.example/a"


def test_a_bucket_is_read_through_fsspec(tmp_path: Path) -> None:
    import fsspec

    index_of(tmp_path / "index")
    memory = fsspec.filesystem("memory")
    memory.put(f"{tmp_path}/index/", "/acme/", recursive=True)
    with Registry("index+memory://acme") as registry:
        assert registry.resolve("bikes@champion").version == 2
        memory.rm("/acme/root.json")
        with pytest.raises(NotFound, match=r"no root\.json"):
            registry.get("bikes/1")


# --- whom it believes ----------------------------------------------------------------------------------------------


def test_an_older_index_is_refused_with_both_states_even_with_an_empty_cache(top: Path, sealed: Path) -> None:
    old = (top / "root.json").read_bytes()
    index_of(top, moved(3), commit=LATER, committed="2026-05-02T12:00:00Z", at="2026-05-02T12:00:00Z")
    assert champion(top) == 3
    (top / "root.json").write_bytes(old)
    shutil.rmtree(cached(sealed))
    with pytest.raises(Integrity, match="older") as caught:
        champion(top)
    said = str(caught.value)
    assert all(part in said for part in (COMMIT[:12], LATER[:12], "2026-05-01T12", "2026-05-02T12"))
    assert COMMIT in caught.value.hint
    assert champion(top, accept_history=COMMIT) == 2
    assert champion(top) == 2


def test_another_registry_at_the_same_place_is_refused(top: Path) -> None:
    champion(top)
    index_of(top, birth="e" * 40, commit=LATER, at=ago(hours=1), committed=ago(hours=1))
    with pytest.raises(Integrity, match="another registry"):
        champion(top)


def test_other_content_for_a_known_commit_is_refused(top: Path) -> None:
    champion(top)
    index_of(top, moved(3), at=ago(hours=1))
    with pytest.raises(Integrity, match="other content for the same commit"):
        champion(top)


def test_an_older_commit_published_anew_is_refused(top: Path) -> None:
    champion(top)
    index_of(top, moved(3), commit=LATER, committed="2026-04-01T12:00:00Z", at=ago(hours=1))
    with pytest.raises(Integrity, match="older"):
        champion(top)


def test_two_commits_published_at_one_time_are_refused(top: Path) -> None:
    champion(top)
    index_of(top, moved(3), commit=LATER)
    with pytest.raises(Integrity, match="twice at the same time"):
        champion(top)


def test_a_newer_commit_published_in_the_same_second_is_taken(top: Path) -> None:
    champion(top)
    index_of(top, moved(3), commit=LATER, committed="2026-05-01T12:00:01Z")
    assert champion(top) == 3


def test_the_same_commit_confirmed_again_is_taken(top: Path) -> None:
    champion(top)
    index_of(top, at=ago(seconds=5))
    assert champion(top) == 2


def test_an_index_of_the_future_is_refused(top: Path) -> None:
    index_of(top, at=ago(minutes=-4))
    assert champion(top) == 2
    index_of(top, at=ago(minutes=-9))
    with pytest.raises(Integrity, match=r"published at .*, and it is .* here"):
        champion(top)


def test_a_signed_index_that_is_older_than_allowed_is_unavailable_and_says_how_old(
    top: Path, tmp_path: Path
) -> None:
    key = new_key(tmp_path / "key")
    index_of(top, keys=[key], at=ago(days=3), committed=ago(days=3))
    assert champion(top, keys=[public(key)]) == 2
    with pytest.raises(Unavailable, match="3 days, "):
        champion(top, keys=[public(key)], max_age=3600)


def test_a_pinned_key_must_have_signed(top: Path, tmp_path: Path) -> None:
    mine, other = new_key(tmp_path / "mine"), new_key(tmp_path / "other")
    from muster.core.ssh_signatures import pin

    with pytest.raises(Integrity, match="not signed"):
        champion(top, keys=[public(mine)])
    index_of(top, keys=[other])
    with pytest.raises(Integrity, match="no key that you trust"):
        champion(top, keys=[public(mine)])
    index_of(top, keys=[other, mine])
    assert champion(top, keys=[public(mine)]) == 2
    assert champion(top, keys=[pin(public(mine))]) == 2
    assert Registry(f"index+{top}#{pin(public(other))}").resolve("bikes@champion").version == 2


def test_a_payload_that_was_changed_after_it_was_signed_is_refused(top: Path, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    index_of(top, keys=[key])
    envelope = json.loads((top / "root.json").read_text())
    envelope["payload"] = envelope["payload"].replace(AT, "2026-05-01T12:00:01Z", 1)
    (top / "root.json").write_text(json.dumps(envelope))
    with pytest.raises(Integrity, match="not what SHA256:"):
        champion(top, keys=[public(key)])


def test_what_is_in_the_cache_is_judged_by_the_key_too(top: Path, tmp_path: Path) -> None:
    assert champion(top) == 2
    with pytest.raises(Integrity, match="not signed"):
        champion(top, keys=[public(new_key(tmp_path / "key"))], offline=True)


def test_a_memory_that_is_damaged_is_not_taken_for_none(top: Path, sealed: Path) -> None:
    champion(top)
    (place,) = (sealed / ".local/state/muster/indexes").glob("*.json")
    place.write_text("{")
    with pytest.raises(Integrity, match="is damaged"):
        champion(top)


def test_the_memory_is_where_muster_state_says(top: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MUSTER_STATE", str(tmp_path / "state"))
    champion(top)
    assert len(list((tmp_path / "state/indexes").glob("*.json"))) == 1


def test_a_memory_that_cannot_be_kept_is_an_error_that_says_what_to_do(
    top: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUSTER_STATE", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match="cannot be remembered") as caught:
        champion(top)
    assert "MUSTER_STATE" in caught.value.hint


# --- many at once --------------------------------------------------------------------------------------------------


def test_the_command_line_reads_an_index_and_takes_a_key_from_a_file(
    top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_key(tmp_path / "key")
    index_of(top, keys=[key])
    asked = ("-R", f"index+{top}", "resolve", "bikes@champion")
    assert carry_out(capsys, "--key", f"{key}.pub", *asked).out == "bikes/2\n"
    other = new_key(tmp_path / "other")
    assert carry_out(capsys, "--key", f"{other}.pub", *asked).code == 7
    assert carry_out(capsys, "--key", tmp_path / "nothing.pub", *asked).code == 8


def test_what_a_root_says_of_itself_must_be_what_it_is(top: Path) -> None:
    root = index_of(top)
    for odd in (
        replace(root, published="yesterday"),
        replace(root, committed=""),
        replace(root, shards=()),
        replace(root, shards=(root.shards * 3)),
    ):
        write_root(top, odd)
        with pytest.raises(Integrity):
            champion(top)
    assert names.path("alias", "bikes", "champion")
