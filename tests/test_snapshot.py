"""One commit's files as a registry: what a reference finds, and how states are laid over each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import operations as ops
from muster.core.errors import Integrity, Invalid, MusterError, NotFound
from muster.core.snapshot import EMPTY, Change, Snapshot
from muster.core.tree import Tree
from support.registry import ANN, GATED, NOON, after, edited, valid, version, yaml

VALID = valid()
BIKES = "models/bikes"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("bikes/3", ("bikes", 3)),
        ("models:/bikes/3", ("bikes", 3)),
        ("bikes/4", ("bikes", 4)),
        ("bikes@champion", ("bikes", 2)),
        ("bikes/production", ("bikes", 2)),
        ("bikes/PRODUCTION", ("bikes", 2)),
        ("bikes/archived", ("bikes", 1)),
        ("bikes/1.4.0", ("bikes", 3)),
        ("bikes/latest", ("bikes", 6)),
        ("bikes@latest", ("bikes", 6)),
        ("vans/production", ("vans", 1)),
    ],
)
def test_a_reference_finds_its_version(reference: str, found: tuple[str, int]) -> None:
    assert VALID.resolve(reference) == found
    assert (VALID.get(reference).model, VALID.get(reference).version) == found


@pytest.mark.parametrize(
    ("reference", "says", "hint"),
    [
        ("bykes/3", "no model 'bykes'", "did you mean 'bikes'?"),
        ("Bikes/3", "no model 'Bikes'", "did you mean 'bikes'?"),
        ("nothing", "no model 'nothing'", "there is: bikes, taxis, vans"),
        ("bikes", "bikes names a model, not a version", "bikes/latest"),
        ("bikes/99", "model 'bikes' has no version 99", "its versions: 1, 2, 3, 4, 6"),
        ("bikes/5", "bikes/5 was deleted by Ann Author <ann@example.com> at 2026-05-01T12:00:00Z: holds", ""),
        ("bikes@champoin", "has no alias 'champoin'", "did you mean 'champion'?"),
        ("bikes/prodution", "no stage or label 'prodution'", "did you mean 'production'?"),
        ("bikes/2.0", "no stage or label '2.0'", ""),
        ("taxis/production", "no version of model 'taxis' is in stage 'production'", ""),
        ("lorries/1", "model 'lorries' was renamed", "it is called 'vans' now"),
        ("lorries@champion", "model 'lorries' was renamed", "it is called 'vans' now"),
    ],
)
def test_what_is_not_there_is_not_found_and_the_hint_says_what_is(
    reference: str, says: str, hint: str
) -> None:
    with pytest.raises(NotFound) as raised:
        VALID.resolve(reference)
    assert says in str(raised.value)
    assert hint in raised.value.hint


def test_what_is_no_reference_is_invalid() -> None:
    with pytest.raises(Invalid, match="is not a reference") as raised:
        VALID.resolve("a/b/c")
    assert "bikes@champion" in raised.value.hint


def test_latest_is_the_highest_number_that_may_be_used() -> None:
    now = after(VALID, ops.plan(VALID, ops.Yank("bikes", 6, ANN, NOON, "x")))
    assert now.resolve("bikes/latest") == ("bikes", 3)
    none = edited(EMPTY, {"models/a/model.yaml": yaml("name: a")})
    with pytest.raises(NotFound, match="no version that is not yanked or deleted"):
        none.resolve("a/latest")


def test_a_model_is_shown_with_all_that_points_into_it() -> None:
    bikes = VALID.model("bikes")
    assert bikes.versions == (1, 2, 3, 4, 6)
    assert bikes.deleted == (5,)
    assert bikes.aliases == {"champion": 2}
    assert bikes.stages == {"archived": (1,), "production": (2,), "staging": (3,)}
    assert (bikes.owners, bikes.tags, bikes.latest) == (("@rides",), {"team": "rides"}, 6)
    assert VALID.models() == ("bikes", "taxis", "vans")
    assert VALID.names_taken() == ("bikes", "lorries", "taxis", "vans")


def test_a_version_is_shown_with_all_that_is_said_of_it() -> None:
    two = VALID.get("bikes/2")
    assert (two.stage, two.aliases, two.tags, two.yanked) == (
        "production",
        ("champion",),
        {"risk-review": "passed"},
        None,
    )
    assert VALID.get("bikes/4").yanked == "trained on the wrong data"
    assert VALID.get("bikes/3").label == "1.4.0"
    (bias,) = VALID.get("taxis/1").annotations.evaluations
    assert (bias.name, bias.passed, bias.metrics) == ("bias", True, {"gap": 0.01})


def test_where_a_versions_files_are_is_known_or_it_is_not_to_be_trusted() -> None:
    assert VALID.artifact_oid("bikes", 2).endswith(".dir")
    path = f"{BIKES}/versions/2.dvc"
    for data in (None, b"outs: []", VALID.files[path] + b"deps: []\n"):
        with pytest.raises(Integrity):
            edited(VALID, {path: data}).artifact_oid("bikes", 2)


def test_a_model_whose_one_file_is_broken_does_not_hide_the_others() -> None:
    broken = edited(VALID, {f"{BIKES}/model.yaml": b"[", f"{BIKES}/stages/production.yaml": b"5"})
    assert broken.models() == ("bikes", "taxis", "vans")
    assert broken.get("taxis/1").version == 1
    with pytest.raises(Invalid):
        broken.model("bikes")
    with pytest.raises(Invalid, match="is not a stage file"):
        broken.resolve("bikes/production")


_garbage = st.sampled_from(
    [
        b"",
        b"[",
        b"5",
        b"[]",
        b"{}",
        b"\xff",
        b"schema: 9",
        b"version: x",
        b"versions: 3",
        b"versions: [x]",
        b"tags: []",
    ]
    + [
        b"yanked: x",
        b"by: 1",
        b"renamed_to: 5",
        b"stages: 5",
        b"metrics: []",
        b"artifacts: {}",
        b"lineage: {run: 5}",
    ]
    + [
        b"owners: 5",
        b"evaluations: [x]",
        b"artifacts: [5]",
        b"lineage: {run: {x: 1}}",
        b"version: [1]",
        b"policy: 5",
    ]
)


@given(
    st.dictionaries(st.sampled_from(sorted(VALID.files)), _garbage, min_size=1, max_size=3),
    st.sampled_from(
        ["bikes/2", "bikes@champion", "bikes/production", "bikes/latest", "bikes/5", "lorries/1", "bikes/x"]
    ),
)
def test_reading_a_broken_registry_fails_in_words(broken: dict[str, bytes], reference: str) -> None:
    now = edited(VALID, broken)
    for read in (lambda: now.get(reference), lambda: now.model("bikes"), lambda: now.versions("bikes")):
        try:
            read()
        except MusterError as error:
            assert str(error)
    wanted = (
        version("bikes", "x", stage="production"),
        ops.SetAlias("bikes", "champion", 3),
        ops.DeleteModel("bikes", ANN, NOON, "x"),
    )
    for operation in (*wanted, ops.RenameModel("bikes", "rides"), ops.Annotate("bikes", 2, tags={"a": "b"})):
        try:
            ops.plan(now, operation)
        except MusterError as error:
            assert str(error)


class Directories(Tree):
    """A tree such as git's: it can list a directory, and may not be gone through."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def __getitem__(self, path: str) -> bytes:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the whole tree was gone through")

    def __len__(self) -> int:
        raise AssertionError("the whole tree was gone through")

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def children(self, directory: str) -> Iterator[str]:
        prefix = f"{directory}/" if directory else ""
        return iter(sorted({p[len(prefix) :].split("/")[0] for p in self._files if p.startswith(prefix)}))


def test_no_read_and_no_plan_goes_through_the_whole_tree() -> None:
    now = Snapshot("0" * 40, Directories(dict(valid(GATED).files)))
    assert now.get("bikes@champion").version == 2
    assert now.model("bikes").latest == 6
    assert now.models() == ("bikes", "taxis", "vans")
    for operation in (
        version("bikes", "x", stage="staging", aliases=("next",), label="3.0"),
        ops.SetStage("bikes", 3, "production"),
        ops.RenameModel("bikes", "rides"),
        ops.DeleteModel("taxis", ANN, NOON, "x"),
    ):
        from muster.core import checks

        change = ops.plan(now, operation)
        assert checks.check(now, change) == []


_part = st.sampled_from(["a", "b", "c"])
_path = st.lists(_part, min_size=1, max_size=4).map("/".join)
_tree = st.dictionaries(_path, st.binary(max_size=2), max_size=8)


def possible(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files of which none is another's directory, as in git."""
    return {p: d for p, d in files.items() if not any(q.startswith(f"{p}/") for q in files)}


@given(
    _tree,
    st.lists(st.dictionaries(_path, st.none() | st.binary(max_size=2), max_size=6), max_size=3),
    st.booleans(),
)
def test_states_over_each_other_are_the_files_they_come_to(
    below: dict[str, bytes], changes: list[dict[str, bytes | None]], listed: bool
) -> None:
    plain = possible(below)
    now = Snapshot("0" * 40, Directories(dict(plain)) if listed else dict(plain))
    for change in changes:
        left = possible({p: d for p, d in {**plain, **change}.items() if d is not None})
        edits: dict[str, bytes | None] = {
            p: left.get(p) for p in {*plain, *change, *left} if plain.get(p) != left.get(p)
        }
        plain, now = left, now.apply(Change(edits))
    directories = {"", "a", "x", *(p.rpartition("/")[0] for p in plain), *(p for c in changes for p in c)}
    for directory in directories:
        assert list(now.children(directory)) == list(Directories(plain).children(directory)), directory
        inside = {p for p in plain if p.startswith(f"{directory}/")}
        assert set(now.below(directory)) == inside if directory else True
    for path in {*plain, *below, *(p for c in changes for p in c)}:
        assert (path in now) is (path in plain)
        assert now.files.get(path) == plain.get(path)
        assert list(now.tree.holding([(path, b"x")])) == [path] * (plain.get(path) == b"x")
    if not listed:
        assert dict(now.files) == plain
        assert len(now.files) == len(plain)


def test_what_points_at_a_version_is_asked_of_each_pointer_once() -> None:
    class Counting(dict[str, bytes]):
        reads = 0

        def __getitem__(self, path: str) -> bytes:
            Counting.reads += "/stages/" in path or "/aliases/" in path
            return super().__getitem__(path)

    now = Snapshot(None, Counting(VALID.files))
    for number in now.versions("bikes") * 3:
        now.version("bikes", number)
    assert Counting.reads == 4
