"""A published index read as the commit it was made from: every question has the same answer."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from muster.core import names, published
from muster.core import operations as ops
from muster.core.errors import Integrity, Invalid, MusterError
from muster.core.published import Root
from muster.core.published_tree import PublishedTree
from muster.core.snapshot import Snapshot
from support.plain_index import put, write_index
from support.registry import built, edited, valid, version


class Counted:
    """Objects of a directory, and which were asked for, request by request."""

    def __init__(self, where: Path) -> None:
        self.where, self.asked = where, []  # type: Path, list[tuple[str, ...]]

    def read(self, digests: Sequence[str]) -> Sequence[Any]:
        self.asked.append(tuple(digests))
        return [
            json.loads(gzip.decompress((self.where / published.object_path(d)).read_bytes())) for d in digests
        ]


def as_published(snapshot: Snapshot, where: Path, **options: Any) -> tuple[Snapshot, Counted]:
    root = write_index(where, snapshot, commit=snapshot.commit or "", **options)
    objects = Counted(where)
    return Snapshot(root.commit, PublishedTree(root, objects)), objects


def answer(question: Any) -> Any:
    """What a question is answered with, or which error with which words; where in a file is not published."""
    try:
        return question()
    except MusterError as error:
        return type(error), re.sub(r"(yaml):\d+:\d+:", r"\1:", str(error)), error.hint


def questions(snapshot: Snapshot) -> dict[str, Any]:
    """All that can be asked of a snapshot, as far as it can be told apart, with its answers."""
    found: dict[str, Any] = {
        "models": snapshot.models(),
        "taken": snapshot.names_taken(),
        "stages": snapshot.declared_stages(),
        "registry": answer(lambda: snapshot.registry),
    }
    for model in (*snapshot.names_taken(), "nobody", "bike"):
        found[model] = answer(lambda model=model: snapshot.model(model))
        found[f"{model} listed"] = snapshot.listed_model(model)
        found[f"{model} numbers"] = snapshot.versions(model), snapshot.numbers_taken(model)
        for kind in names.POINTERS:
            found[f"{model} {kind}"] = snapshot.pointers(kind, model)
        for number in range(1, 9):
            found[f"{model}/{number}"] = answer(lambda m=model, n=number: snapshot.version(m, n))
            found[f"{model}/{number} oid"] = answer(lambda m=model, n=number: snapshot.artifact_oid(m, n))
        for end in ("latest", "production", "STAGING", "1.4.0", "1.5.0", "nothing"):
            found[f"{model}/{end}"] = answer(lambda r=f"{model}/{end}": snapshot.get(r))
        for alias in ("champion", "nothing"):
            found[f"{model}@{alias}"] = answer(lambda r=f"{model}@{alias}": snapshot.get(r))
    return found


def test_every_question_has_the_answer_that_the_commit_gives(tmp_path: Path) -> None:
    commit = valid()
    index, _ = as_published(commit, tmp_path)
    assert questions(index) == questions(commit)


def test_so_it_is_with_files_that_cannot_be_read_or_are_of_a_newer_schema(tmp_path: Path) -> None:
    commit = edited(
        valid(),
        {
            "models/bikes/versions/3.yaml": b"a: &b 1\n",
            "models/bikes/aliases/champion.yaml": b"schema: 99\nversion: 2\n",
            "models/taxis/model.yaml": b"- 1\n",
            "models/vans/stages/production.yaml": b"nothing: here\n",
            "models/lorries/model.yaml": b"renamed_to: [\n",
        },
    )
    index, _ = as_published(commit, tmp_path)
    assert questions(index) == questions(commit)


def test_all_files_of_the_commit_are_there_and_no_others(tmp_path: Path) -> None:
    commit = valid()
    index, _ = as_published(commit, tmp_path)
    known = {path for path in commit.files if names.locate(path) or path == names.DVC_CONFIG}
    known = {path for path in known if not path.endswith(".gitignore")}
    assert set(index.files) == known
    assert len(index.files) == len(known)
    assert index.tree.document("models/bikes/versions/2.yaml") == commit.tree.document(
        "models/bikes/versions/2.yaml"
    )


def test_a_pointer_costs_one_shard(tmp_path: Path) -> None:
    index, objects = as_published(valid(), tmp_path)
    assert index.get("bikes@champion").version == 2
    assert index.artifact_oid("bikes", 2).endswith(".dir")
    assert index.get("bikes/production").version == 2
    assert len(objects.asked) == 1 and len(objects.asked[0]) == 1


def test_a_version_costs_a_model_and_a_page_more(tmp_path: Path) -> None:
    index, objects = as_published(valid(), tmp_path)
    assert index.get("bikes/6").version == 6
    assert sum(map(len, objects.asked)) == 3


def test_a_list_of_everything_asks_for_many_objects_at_a_time(tmp_path: Path) -> None:
    many = built(*(version(f"model-{n}", f"content {n}") for n in range(100)))
    index, objects = as_published(many, tmp_path)
    assert len([index.version(m, n) for m in index.models() for n in index.versions(m)]) == 100
    assert len(objects.asked) <= 8, [len(asked) for asked in objects.asked]
    assert sum(map(len, objects.asked)) == len({d for asked in objects.asked for d in asked})


def test_the_pages_of_a_model_that_will_be_read_come_together(tmp_path: Path) -> None:
    many = built(*(version("bikes", f"content {n}") for n in range(200)))
    index, objects = as_published(many, tmp_path)
    index.expect("models/bikes")
    assert [index.version("bikes", n).version for n in reversed(index.versions("bikes"))] == list(
        range(200, 0, -1)
    )
    assert [len(asked) for asked in objects.asked] == [1, 1, 4]


def test_a_large_document_is_fetched_when_it_is_read(tmp_path: Path) -> None:
    commit = built(
        version("bikes", "one", aliases=("champion",), params={f"p{n}": "x" * 99 for n in range(300)})
    )
    index, objects = as_published(commit, tmp_path)
    assert index.resolve("bikes@champion") == ("bikes", 1)
    assert len(objects.asked) == 1
    assert index.get("bikes@champion") == commit.get("bikes@champion")


def test_a_change_in_what_was_given_changes_no_later_answer(tmp_path: Path) -> None:
    index, _ = as_published(valid(), tmp_path)
    index.get("bikes@champion").metrics["rmse"] = 0.0  # type: ignore[index]
    assert index.get("bikes@champion").metrics["rmse"] == 50.0


def test_readers_are_sent_where_the_root_says_that_artifacts_are(tmp_path: Path) -> None:
    index, _ = as_published(valid(), tmp_path, artifacts="https://cdn.example/models")
    config = index.files[names.DVC_CONFIG].decode()
    assert "url = https://cdn.example/models" in config and "s3:" not in config


def replaced(where: Path, root: Root, document: Any) -> Snapshot:
    """The index with one shard, which is document."""
    return Snapshot("c" * 40, PublishedTree(_with(root, put(where, document)), Counted(where)))


def _with(root: Root, shard: str) -> Root:
    from dataclasses import replace

    return replace(root, shards=(shard,))


@pytest.mark.parametrize(
    "shard",
    [
        [],
        {},
        {"models": []},
        {"models": {"bikes": 1}},
        {"models": {"bikes": {"files": []}}},
        {"models": {"bikes": {"files": {}, "rest": "../../etc/passwd"}}},
        {"models": {"bikes": {"files": {"versions/1.yaml": {"object": "../x"}}, "rest": "0" * 64}}},
    ],
)
def test_a_malformed_object_is_an_integrity_error(tmp_path: Path, shard: Any) -> None:
    root = write_index(tmp_path, valid())
    index = replaced(tmp_path, root, shard)
    with pytest.raises(Integrity):
        index.get("bikes/1")


def test_a_page_that_lacks_what_its_model_names_is_an_integrity_error(tmp_path: Path) -> None:
    root = write_index(tmp_path, valid())
    page = put(tmp_path, {"model": "bikes", "files": {}})
    rest = put(tmp_path, {"files": {}, "numbers": {"version": "1"}, "pages": {"0": page}})
    index = replaced(tmp_path, root, {"models": {"bikes": {"files": {}, "rest": rest}}})
    with pytest.raises(Integrity, match="lacks"):
        index.get("bikes/1")


def test_names_that_hold_anything_are_found_again(tmp_path: Path) -> None:
    commit = built(ops.CreateModel("größe"), version("größe", "one", aliases=("beste wahl",)))
    index, _ = as_published(commit, tmp_path)
    assert index.models() == ("größe",)
    assert index.resolve("größe@beste wahl") == ("größe", 1)


def test_a_configuration_that_could_not_be_published_is_said_to_be_unreadable(tmp_path: Path) -> None:
    root = write_index(tmp_path, valid())
    from dataclasses import replace

    top = put(tmp_path, {names.DVC_CONFIG: {"unreadable": "it says what it may not, on line 3"}})
    index = Snapshot("c" * 40, PublishedTree(replace(root, top=top), Counted(tmp_path)))
    with pytest.raises(Invalid, match="line 3"):
        index.files[names.DVC_CONFIG]
