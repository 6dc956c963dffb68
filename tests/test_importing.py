"""Importing versions from a file: all of them as one commit, as often as it takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest

from muster import Registry, resources
from muster.core import importfile
from muster.core.errors import Invalid
from support.cli import Days, Said, carry_out, state_of
from support.gitcli import git


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    with Registry.create(tmp_path / "server.git", bare=True, clock=Days()):
        yield tmp_path / "server.git"


@pytest.fixture
def bring(server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Import these versions, each with a file of its own that holds its position unless it says where its content is."""

    def carried_out(entries: list[dict[str, Any]], *options: str) -> Said:
        for position, entry in enumerate(entries):
            if entry.keys().isdisjoint({"path", "oid"}):
                entry["path"] = f"{position}.bin"
                (tmp_path / f"{position}.bin").write_text(str(position))
        source = tmp_path / "versions.jsonl"
        source.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return carry_out(capsys, "import", "file", source, "-R", server, *options)

    return carried_out


def commits(server: Path) -> int:
    return int(git(server, "rev-list", "--count", "main"))


def test_all_versions_of_a_file_come_in_as_one_commit_and_once(server: Path, bring: Any) -> None:
    lineage = {"source": "mlruns", "run": {"run_id": "r1", "tracker": "mlflow"}}
    said = {"label": "1.0.0", "metrics": {"rmse": 1e-05}, "params": {"depth": 3}, "tags": {"a": "b"}}
    entries = [
        {"model": "bikes", **said, "lineage": lineage, "aliases": ["@champion"], "stage": "staging"},
        {"model": "bikes", "description": "the second"},
        {"model": "cars", "requirements": ["numpy"], "format": "file"},
    ]
    before = commits(server)
    first = bring(entries, "--reason", "moving house")
    assert (first.code, first.out.splitlines()[0]) == (0, "3 registered")
    again = bring(entries)
    assert (again.code, again.out) == (0, "0 registered, 3 there already\n")
    assert commits(server) == before + 1
    with Registry(server) as registry:
        one = registry.get("bikes@champion")
        assert (one.label, one.metrics, one.params, one.tags) == tuple(said.values())
        assert one.stage == "staging"
        assert one.manifest.lineage.run is not None and one.manifest.lineage.run.run_id == "r1"
        assert registry.get("bikes/2").description == "the second"
        assert registry.get("cars/1").manifest.requirements == ("numpy",)
        assert next(registry.history()).reason == "moving house"


@pytest.mark.slow
def test_who_made_a_version_elsewhere_and_when_is_recorded_beside_who_brought_it(
    server: Path, bring: Any
) -> None:
    made = {"created_at": "2020-02-29T12:00:00Z", "created_by": "Old Hand <old@example.com>"}
    assert bring([{"model": "bikes", **made}]).code == 0
    with Registry(server) as registry:
        manifest = registry.get("bikes/1").manifest
        assert (manifest.created_at, manifest.created_by) == tuple(made.values())
        assert manifest.extra["imported"]["by"] == registry.author
        assert registry.model("bikes").owners == (registry.author,)


@pytest.mark.slow
def test_what_is_in_the_artifact_store_already_is_registered_without_its_files(
    server: Path, bring: Any, tmp_path: Path
) -> None:
    with Registry(server) as registry:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights.bin").write_text("weights")
        (tmp_path / "model" / "card.md").write_text("# Card")
        stored = registry.store().take(tmp_path / "model")
    files = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in stored.files]
    there = {"model": "bikes", "oid": stored.oid, "files": files, "format": "directory"}
    assert bring([{**there, "model_card": "card.md"}]).code == 0
    with Registry(server) as registry:
        registry.pull("bikes/1", tmp_path / "pulled")
        assert registry.get("bikes/1").manifest.model_card == "card.md"
    assert (tmp_path / "pulled" / "weights.bin").read_text() == "weights"
    other = [{**files[0], "path": "other.md"}, files[1]]
    for wrong, words in (
        ({**there, "oid": "0" * 32 + ".dir"}, f"{'0' * 32}.dir is not in the artifact store"),
        ({**there, "files": other}, "names other files"),
    ):
        refused = bring([wrong])
        assert (refused.code, words in refused.err) == (5, True)


def test_where_some_cannot_come_none_does_and_each_is_named(server: Path, bring: Any) -> None:
    bring([{"model": "bikes", "label": "1.0.0"}])
    entries = [
        {"model": "bikes", "label": "2.0.0"},
        {"model": "bikes", "path": "nothing.bin"},
        {"model": "boats", "stage": "production"},
        {"model": "Bikes"},
        {"model": "cars"},
    ]
    before = state_of(server)
    refused = bring(entries)
    assert (refused.code, refused.out) == (5, "")
    assert state_of(server) == before
    for place, words in (
        (1, "bikes/1 has this content already, and is labelled 1.0.0"),
        (2, "there is no such file or directory"),
        (3, "boats/1 may not enter production"),
        (4, "looks too much like model 'bikes'"),
    ):
        line = next(line for line in refused.err.splitlines() if f"versions.jsonl:{place}:1" in line)
        assert words in line
    others = bring(entries, "--keep-going", "--json")
    assert (others.code, others.json["registered"], len(others.json["failed"])) == (5, 1, 4)
    with Registry(server) as registry:
        assert [model.name for model in registry.models()] == ["bikes", "cars"]


@pytest.mark.slow
def test_a_dry_run_judges_everything_and_stores_and_writes_nothing(
    server: Path, bring: Any, tmp_path: Path
) -> None:
    before = state_of(server, Path(f"{server}.artifacts"))
    dry = bring([{"model": "bikes"}, {"model": "cars"}], "--dry-run")
    assert (dry.code, dry.out) == (0, "2 would be registered\n")
    assert state_of(server, Path(f"{server}.artifacts")) == before
    assert bring([{"model": "bikes", "stage": "production"}], "--dry-run").code == 5


@pytest.mark.slow
def test_batches_are_commits_and_one_that_fails_leaves_those_before_it(server: Path, bring: Any) -> None:
    before = commits(server)
    assert bring([{"model": "bikes"} for _ in range(5)], "--batch", "2").out.startswith("5 registered")
    assert commits(server) == before + 3
    refused = bring([{"model": "cars"}, {"model": "cars"}, {"model": "cars", "path": "none"}], "--batch", "1")
    assert (refused.code, "what stands before it is in, by 2 commits" in refused.err) == (5, True)
    mended = bring([{"model": "cars"} for _ in range(3)], "--batch", "1")
    assert mended.out.startswith("1 registered, 2 there already")


@pytest.mark.slow
def test_what_policy_wants_reviewed_is_proposed_as_a_whole(server: Path, bring: Any) -> None:
    bring([{"model": "bikes", "stage": "staging"}])
    moved = bring([{"model": "bikes", "stage": "production"}, {"model": "cars"}])
    assert (moved.code, moved.out.splitlines()[0]) == (0, "1 proposed, 1 there already")
    with Registry(server) as registry:
        assert [model.name for model in registry.models()] == ["bikes"]
        (waiting,) = registry.proposals.list()
        registry.proposals.merge(waiting.id)
        assert registry.get("bikes/production").version == registry.get("cars/1").version == 1


ENTRY = '{"model": "bikes", "path": "a.bin"}'


@pytest.mark.parametrize(
    "text",
    [
        f"{ENTRY}\n\n{ENTRY}\n",
        f"[{ENTRY},\n {ENTRY}]",
        "- model: bikes\n  path: a.bin\n- {model: bikes, path: a.bin}\n",
    ],
)
def test_a_file_is_json_lines_or_a_list_as_json_or_yaml(text: str) -> None:
    entries = importfile.read(text.encode(), "v", PurePath("/data"))
    assert [(e.said.model, e.said.path, e.position) for e in entries] == [
        ("bikes", PurePath("/data/a.bin"), 0),
        ("bikes", PurePath("/data/a.bin"), 1),
    ]
    assert entries[0].line == 1 and entries[1].line > 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'{ENTRY}\n{{"model": "x", "path": "a", "label": 1}}', "v:2:38: label: 1 is not of type 'string'"),
        (f'[{ENTRY},\n {{"model": "x", "path": "a", "label": 1}}]', "v:2:39: label: 1 is not of"),
        ("- model: x\n  path: a\n  label: 1\n", "v:3:10: label: 1 is not of type 'string'"),
        ('{"model": "x", "path": "a", "metrics": {"a": 1e5, "b": "x"}}', "v:1:1: metrics.b: 'x' is not of"),
        ('{"model": "x", "path": "a", "pth": "b"}', "'pth' was unexpected"),
        ('{"model": "x"}', "v:1:1: a version has a path, or else the oid and the files"),
        (f'{{"model": "x", "oid": "{"0" * 32}.dir", "files": []}}', "v:1:"),
        ('{"model": "x", "path": "a", "metrics": {"a": NaN}}', "v:1:1: not JSON: NaN is not a finite number"),
        ('{"model": "x", "path": "a", "metrics": {"a": 1e999}}', "1e999 is not a finite number"),
        ('{"model": "x", "model": "y"}', "the key 'model' is here twice"),
        ("[{]", "v:1:3: not JSON: Expecting property name"),
        ("[" * 100_000, "v:1:1: not JSON"),
        ("model: bikes\n", "v:1:1: a list of versions is wanted"),
        ("- &a {model: x}\n", "anchors (&name) are not allowed"),
        ("3", "a list of versions is wanted"),
        ("[3]", "v:1:2: 3 is not of type 'object'"),
        ("x" * 10, "a list of versions is wanted"),
    ],
)
def test_what_is_wrong_in_a_file_is_found_at_its_place(text: str, found: str) -> None:
    with pytest.raises(Invalid) as caught:
        importfile.read(text.encode(), "v", PurePath())
    assert found in str(caught.value)


def test_what_an_import_shares_with_a_manifest_has_one_schema() -> None:
    ours, manifest, annotations = (
        json.loads(resources.schema(kind))["properties"] for kind in ("import", "version", "annotations")
    )
    words = ("title", "description")
    for name in ours.keys() & manifest.keys():
        mine, its = ({k: v for k, v in s[name].items() if k not in words} for s in (ours, manifest))
        assert mine == its, name
    for name in ("description", "tags"):
        assert ours[name] == annotations[name]
    assert ours["files"] == manifest["artifacts"]["items"]["properties"]["files"]


@pytest.mark.slow
def test_a_thousand_versions_are_one_commit_whose_every_file_is_judged(
    server: Path, bring: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [{"model": f"model-{n % 50}", "label": f"1.{n}.0", "tags": {"n": str(n)}} for n in range(1000)]
    before = commits(server)
    assert bring(entries).out.startswith("1000 registered")
    assert commits(server) == before + 1
    assert carry_out(capsys, "check", "-R", server).code == 0
    digest = hashlib.sha256(b"999").hexdigest()
    with Registry(server) as registry:
        assert registry.get("model-49/1.999.0").manifest.files[0].sha256 == digest
