"""The published index: what is in it, what a commit writes anew, and what stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from muster import Registry
from muster.backends.publication.directory import DirectoryTarget
from muster.core import manifest, publication, published
from muster.core.errors import Conflict, Integrity
from muster.publishing import verify
from support.gitcli import git, tip
from support.indexes import Watched, contents, expected, files_of, in_order, publish, root_of
from support.publishing import publish as commit
from support.registry import DVC_CONFIG, valid, yaml

pytestmark = pytest.mark.slow
NOTHING_KEPT = timedelta(0)


@pytest.fixture
def source(bare: Path) -> Path:
    """A registry with a little of everything."""
    commit(bare, dict(valid().files))
    return bare


@pytest.fixture
def site(source: Path, tmp_path: Path) -> Path:
    """The index of it."""
    publish(source, tmp_path / "site")
    return tmp_path / "site"


def fresh(source: Path, tmp_path: Path) -> Any:
    """What the root of an index of the registry would name, were everything written."""
    directory = tmp_path / f"fresh-{len(list(tmp_path.iterdir()))}"
    publish(source, directory)
    root = root_of(files_of(directory))
    return root["top"], root["shards"]


def test_an_index_holds_every_document_of_the_registry(source: Path, site: Path) -> None:
    assert {p: d for p, d in contents(files_of(site)).items() if p != ".dvc/config"} == expected(source)


def test_a_root_says_which_registry_it_is_of_and_at_which_commit(source: Path, site: Path) -> None:
    root = root_of(files_of(site))
    assert root["commit"] == root["registry"]["birth"] == tip(source)
    assert root["registry"]["name"] == "my-models"
    assert root["committed"] == "2026-05-01T12:30:00Z"


def changes() -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """Changes of every kind, each on what the one before left."""
    now = valid().files
    manifest_of = dict(now)["models/bikes/versions/2.yaml"]
    yield "an alias moves", {"models/bikes/aliases/champion.yaml": yaml("version: 3")}
    yield (
        "a version is registered",
        {
            "models/bikes/versions/70.yaml": manifest_of.replace(b"version: 2", b"version: 70"),
            "models/bikes/versions/70.dvc": now["models/bikes/versions/2.dvc"],
        },
    )
    yield (
        "it is labelled and annotated",
        {
            "models/bikes/labels/2.0.yaml": yaml("version: 70"),
            "models/bikes/annotations/70.yaml": yaml("description: better"),
        },
    )
    yield "a stage names it", {"models/bikes/stages/staging.yaml": yaml("versions: [3, 70]")}
    yield "what a stage names is annotated", {"models/bikes/annotations/70.yaml": yaml("description: best")}
    yield "an alias goes", {"models/bikes/aliases/champion.yaml": None}
    yield (
        "a version goes, and leaves a tombstone",
        {
            "models/bikes/versions/6.yaml": None,
            "models/bikes/versions/6.dvc": None,
            "models/bikes/versions/6.deleted.yaml": yaml(
                "by: Ann\nat: '2026-05-01T12:00:00Z'\nreason: why not"
            ),
        },
    )
    yield "a model comes", {"models/%40odd/model.yaml": yaml("description: odd")}
    yield "a model goes", {path: None for path in now if path.startswith("models/taxis/")}
    yield (
        "policy and remote change",
        {
            "registry.yaml": yaml("name: renamed"),
            ".dvc/config": DVC_CONFIG.replace(b"registry", b"elsewhere"),
        },
    )
    yield (
        "what is not the registry's changes",
        {"README.md": b"hello", "models/bikes/versions/.gitignore": b"/3"},
    )
    yield "a file cannot be parsed", {"models/vans/stages/production.yaml": b"versions: [1\n"}
    yield "nor a manifest that a pointer names", {"models/bikes/versions/70.yaml": b"a: &b 1\n"}
    yield (
        "a document is large",
        {
            "models/bikes/annotations/3.yaml": yaml("description: " + "long " * 5000),
            "models/bikes/stages/staging.yaml": yaml(f"versions: [3, 70]\nextra: {'x' * 20_000}"),
        },
    )
    yield "a large document shrinks", {"models/bikes/annotations/3.yaml": yaml("description: short")}
    yield "a document looks like a stand-in", {"models/bikes/model.yaml": f"object: {'0' * 64}\n".encode()}
    yield (
        "another like something unreadable",
        {"models/bikes/model.yaml": b"unreadable: no\n".replace(b"no", b"'no'")},
    )
    yield "a document holds nothing", {"models/bikes/model.yaml": b""}
    yield "half a surrogate pair", {"models/bikes/model.yaml": b'description: "\\ud800"\n'}
    yield (
        "everything of a model goes",
        {
            **{path: None for path in now if path.startswith("models/vans/")},
            "models/vans/stages/production.yaml": None,
        },
    )


def test_an_index_that_followed_the_registry_is_the_one_that_is_built_at_once(
    source: Path, site: Path, tmp_path: Path
) -> None:
    for what, files in changes():
        with Registry(source) as registry:
            there = registry.snapshot().files
            commit(source, {path: data for path, data in files.items() if data is not None or path in there})
        done = publish(source, site)
        assert done.why_full == "", what
        root = root_of(files_of(site))
        assert (root["top"], root["shards"]) == fresh(source, tmp_path), what
        found = contents(files_of(site))
        found.pop(".dvc/config")
        assert in_order(found) == in_order(expected(source)), what
        with Registry(source) as registry:
            assert verify(str(site), (), registry).problems == (), what


def test_what_resolves_a_pointer_is_in_its_shard(source: Path, site: Path) -> None:
    commit(source, {"models/bikes/stages/archived.yaml": yaml("versions: [1, 4]")})
    publish(source, site)
    with Registry(source) as registry:
        tree = registry.snapshot().files
        near = _shard(files_of(site), "bikes")["files"]
        shown = {path for path in near if path.startswith("versions/")}
        assert shown == {
            f"versions/{n}.{end}" for n in (2, 3, 4) for end in ("yaml", "dvc")
        }  # 1 resolves nothing
        assert near["versions/2.yaml"] == manifest.parse(tree["models/bikes/versions/2.yaml"])
        assert near["annotations/4.yaml"]["yanked"]["reason"] == "trained on the wrong data"


def test_a_pointed_version_with_a_large_document_is_not_in_the_shard_at_all(source: Path, site: Path) -> None:
    commit(source, {"models/bikes/annotations/2.yaml": yaml("description: " + "long " * 5000)})
    publish(source, site)
    near = _shard(files_of(site), "bikes")["files"]
    assert not [path for path in near if path.endswith(("/2.yaml", "/2.dvc"))]


def _shard(files: dict[str, bytes], model: str) -> Any:
    root = root_of(files)
    digest = root["shards"][published.shard(model, len(root["shards"]))]
    return json.loads(publication.unpack(files[published.object_path(digest)], digest))["models"][model]


def test_after_one_commit_only_what_differs_is_read_and_written(source: Path, site: Path) -> None:
    for number in range(40):  # so that there are other shards, and other models in the same one
        commit(source, {f"models/m{number}/model.yaml": yaml("description: one of many")})
    publish(source, site, full=True)
    commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    target = Watched(DirectoryTarget(site))
    publish(source, target)
    kinds = [path.partition("/")[0] for path in target.written]
    assert sorted(kinds) == ["models", "objects", "pointers", "publisher.json", "root.json"]
    commit(
        source,
        {
            "models/bikes/versions/9.yaml": valid().files["models/bikes/versions/2.yaml"],
            "models/bikes/versions/9.dvc": valid().files["models/bikes/versions/2.dvc"],
        },
    )
    target = Watched(DirectoryTarget(site))
    publish(source, target)
    kinds = [path.partition("/")[0] for path in target.written]
    assert sorted(kinds) == ["models", *["objects"] * 3, "publisher.json", "root.json"]  # shard, model, page
    assert len([path for path in target.read_paths if path.startswith("objects/")]) == 3
    assert kinds.index("root.json") > max(n for n, kind in enumerate(kinds) if kind == "objects")


def test_the_same_commit_again_only_confirms_it(source: Path, site: Path) -> None:
    before = files_of(site)
    target = Watched(DirectoryTarget(site))
    with Registry(source) as registry:
        registry.now  # noqa: B018
    publish(source, target)
    assert target.written == ["root.json"]
    assert root_of(files_of(site)) | {"published": ""} == root_of(before) | {"published": ""}


def test_objects_are_the_same_bytes_whenever_they_are_built(source: Path, site: Path, tmp_path: Path) -> None:
    publish(source, tmp_path / "again")
    first, second = files_of(site), files_of(tmp_path / "again")
    first.pop("root.json"), second.pop("root.json")
    assert first == second


def test_files_for_people_follow_the_registry(source: Path, site: Path, tmp_path: Path) -> None:
    pointer = site / "pointers/bikes/aliases/champion.json"
    first = tip(source)
    said = json.loads(pointer.read_text())
    assert (said["version"], said["commit"]) == (2, first)
    second = commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    commit(source, {"models/vans/stages/production.yaml": None, "README": b"x"})
    publish(source, site)
    said = json.loads(pointer.read_text())
    assert (said["version"], said["label"], said["commit"]) == (3, "1.4.0", second)
    assert said["files"][0]["path"] == "model.onnx"
    assert not (site / "pointers/vans/stages/production.json").exists()
    assert json.loads((site / "models/vans.json").read_text())["stages"] == {}
    assert json.loads((site / "models/bikes.json").read_text())["commit"] == second
    commit(source, {path: None for path in expected(source) if path.startswith("models/vans/")})
    publish(source, site)
    assert not (site / "models/vans.json").exists()
    publish(source, tmp_path / "at-once")
    people = ("models/", "pointers/")
    assert {p: d for p, d in files_of(site).items() if p.startswith(people)} == {
        p: d for p, d in files_of(tmp_path / "at-once").items() if p.startswith(people)
    }


def test_an_index_of_a_newer_commit_is_not_replaced_unless_told_so(
    source: Path, site: Path, tmp_path: Path
) -> None:
    old = tip(source)
    assert old
    new = commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    publish(source, site)
    with pytest.raises(Conflict, match=f"of commit {new[:12]}"):
        publish(source, site, at=old)
    assert root_of(files_of(site))["commit"] == new
    done = publish(source, site, at=old, accept=True)
    assert done.why_full
    root = root_of(files_of(site))
    assert root["commit"] == old
    assert contents(files_of(site))["models/bikes/aliases/champion.yaml"]["version"] == 2


def test_an_index_of_another_registry_is_not_replaced(source: Path, site: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "other.git")
    commit(tmp_path / "other.git", {"registry.yaml": b"schema: 1\nname: other\n"})
    with pytest.raises(Conflict, match="of another registry"):
        publish(tmp_path / "other.git", site)


@pytest.mark.parametrize("damage", ["missing", "cut short", "another's"])
def test_a_damaged_object_is_seen_where_it_is_needed_and_everything_written_anew(
    source: Path, site: Path, damage: str
) -> None:
    root = root_of(files_of(site))
    place = site / published.object_path(root["shards"][0])
    if damage == "missing":
        place.unlink()
    else:
        good = place.read_bytes()
        place.write_bytes(good[:-9] if damage == "cut short" else publication.pack(b"{}"))
    assert verify(str(site)).problems
    commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    done = publish(source, site)
    assert root["shards"][0] in done.why_full
    assert verify(str(site)).problems == ()


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"payload": "{}"}', b'{"payload": "{\\"format\\": 2}"}']
)
def test_a_root_that_cannot_be_read_is_replaced_only_when_told_so(
    source: Path, site: Path, text: bytes
) -> None:
    (site / "root.json").write_bytes(text)
    with pytest.raises(Conflict):
        publish(source, site)
    with pytest.raises(Integrity):
        verify(str(site))
    assert publish(source, site, full=True).why_full
    assert verify(str(site)).problems == ()


def test_a_registry_that_grows_much_gets_more_shards(source: Path, site: Path) -> None:
    assert len(root_of(files_of(site))["shards"]) == 1
    commit(source, {f"models/m{n}/model.yaml": yaml(f"description: m{n}") for n in range(70)})
    assert "number of models" in publish(source, site).why_full
    assert len(root_of(files_of(site))["shards"]) == published.shards_for(73)
    assert verify(str(site)).problems == ()


# --- what may go


def test_a_reader_that_holds_the_root_before_finds_all_of_it(source: Path, site: Path) -> None:
    old = root_of(files_of(site))
    before = contents(files_of(site))
    commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    publish(source, site)
    assert contents(files_of(site), old) == before


def test_objects_go_when_no_root_has_named_them_for_long(source: Path, site: Path) -> None:
    count = len(list(site.glob("objects/*/*")))
    for version in (3, 1, 3, 1):
        commit(source, {"models/bikes/aliases/champion.yaml": yaml(f"version: {version}")})
        publish(source, site)
    assert len(list(site.glob("objects/*/*"))) == count + 2  # of four roots, two have been there before
    done = publish(source, site, keep=NOTHING_KEPT)
    assert done.removed == 2
    assert len(list(site.glob("objects/*/*"))) == count
    assert verify(str(site)).problems == ()


def test_nothing_goes_that_the_root_names_whatever_the_record_says(source: Path, site: Path) -> None:
    commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    publish(source, site)
    record = json.loads((site / "publisher.json").read_text())
    named = [path.name.partition(".")[0] for path in site.glob("objects/*/*")]
    owners = {digest: _whose(site, digest) for digest in named}
    for whose in ("", "bikes", "vans", "taxis", None):
        lie = {"at": "2020-01-01T00:00:00Z", "model": whose}
        record["retired"] = {d: lie for d in named if whose is None or owners[d] == whose}
        (site / "publisher.json").write_text(json.dumps(record))
        publish(source, site, keep=NOTHING_KEPT)
        assert verify(str(site)).problems == (), whose


def _whose(site: Path, digest: str) -> str:
    text = publication.unpack((site / published.object_path(digest)).read_bytes(), digest)
    return str(json.loads(text).get("model", ""))


def test_a_full_publication_finds_what_nobody_remembers(source: Path, site: Path) -> None:
    DirectoryTarget(site).write({published.object_path("ab" * 32): b"left by one that was killed"})
    publish(source, site, full=True)
    assert (site / published.object_path("ab" * 32)).exists()
    assert publish(source, site, full=True, keep=NOTHING_KEPT).removed == 1
    assert not (site / published.object_path("ab" * 32)).exists()


# --- what goes in


def test_of_dvcs_configuration_only_what_it_says_is_published(source: Path, site: Path) -> None:
    assert contents(files_of(site))[".dvc/config"] == (
        '[core]\n    remote = "storage"\n[\'remote "storage"\']\n    url = "s3://models/registry"\n'
    )
    commit(source, {".dvc/config": DVC_CONFIG + b"    # the password is hunter2\n    password = hunter2\n"})
    publish(source, site)
    assert not [path for path, data in files_of(site).items() if b"hunter2" in data]
    value = json.loads(_top(files_of(site)))[".dvc/config"]
    assert value == {"unreadable": "it says what a registry may not say, on line 6"}


def _top(files: dict[str, bytes]) -> bytes:
    digest = root_of(files)["top"]
    return publication.unpack(files[published.object_path(digest)], digest)


def test_a_path_on_this_machine_is_nobodys_business(source: Path, site: Path) -> None:
    assert root_of(files_of(site))["registry"]["url"] == ""
    git(source, "remote", "add", "origin", "https://ann:secret@git.example.com/models.git")
    publish(source, site)
    assert root_of(files_of(site))["registry"]["url"] == "https://git.example.com/models.git"
