"""The block of CODEOWNERS: what it says is what the models say, and nothing else of the file is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster import Registry, resources
from muster.core import checks, codeowners, names
from muster.core import operations as ops
from muster.core.codeowners import BEGIN, END, PATHS
from muster.core.errors import Invalid, MusterError
from muster.core.snapshot import EMPTY, Change, Snapshot
from muster.frontends.cli import run
from support.gitcli import git
from support.publishing import publish
from support.registry import ANN, NOON, after, built, edited, valid, version

VALID = valid()
GUARD = "/models/*/stages/production.yaml @team"
TEMPLATE = resources.template()["CODEOWNERS"].decode()


def with_block(*lines: str, path: str = "CODEOWNERS") -> Snapshot:
    text = "\n".join(("* @all", BEGIN, *lines, END, GUARD, ""))
    return edited(VALID, {path: text.encode()})


OWNED = with_block("/models/bikes/  @rides")


def planned(now: Snapshot, *wanted: ops.Operation) -> Snapshot:
    """The state after operations, which breaks no rule."""
    change = ops.plan(now, *wanted)
    assert checks.check(now, change) == []
    return after(now, change)


def block(now: Snapshot, path: str = "CODEOWNERS") -> list[str]:
    found = codeowners.parse(now.files[path])
    assert found is not None
    return list(found.block)


def owned_by(*owners: str) -> list[str]:
    now = planned(OWNED, ops.AnnotateModel("bikes", owners=owners))
    return block(now)


@pytest.mark.parametrize(
    ("owners", "line"),
    [
        (("@ann",), "@ann"),
        (("@ann", "Bea <bea@example.com>", "cat@example.com"), "@ann bea@example.com cat@example.com"),
        (("Bea <bea@example.com>", "@org/risk.team", "@group/sub/team"), "bea@example.com @org/risk.team @group/sub/team"),
        (("@ann", "Dan", "dan x@y", "@a b", "@", "@ann", "x@y # z"), "@ann"),
    ],
)  # fmt: skip
def test_a_line_has_the_owners_that_a_forge_understands(owners: tuple[str, ...], line: str) -> None:
    assert owned_by(*owners) == [f"/models/bikes/  {line}"]


@pytest.mark.parametrize("owners", [(), (ANN,), ("Rides team",), ("bea@example.com", "@")])
def test_a_model_whom_nobody_owns_by_a_forges_name_has_no_line(owners: tuple[str, ...]) -> None:
    assert owned_by(*owners) == []


def test_whatever_changes_owners_keeps_the_block_current() -> None:
    now = planned(OWNED, ops.AnnotateModel("vans", owners=("@ann",)))
    assert block(now) == ["/models/bikes/  @rides", "/models/vans/  @ann"]
    now = planned(now, ops.CreateModel("new model", owners=("@bea",)))
    assert block(now)[1] == "/models/new%20model/  @bea"
    now = planned(now, ops.RenameModel("bikes", "cycles"))
    assert block(now)[0] == "/models/cycles/  @rides"
    now = planned(now, ops.DeleteModel("vans", ANN, NOON, "gone"))
    assert block(now) == ["/models/cycles/  @rides", "/models/new%20model/  @bea"]
    now = planned(
        now, ops.AnnotateModel("cycles", owners=()), ops.AnnotateModel("new model", owners=("@cat",))
    )
    assert block(now) == ["/models/new%20model/  @cat"]
    assert checks.check(EMPTY, Change(now.files)) == []


def test_what_changes_no_owner_leaves_the_file_alone() -> None:
    for wanted in (
        version("bikes", "seven"),
        version("new", "eight"),
        ops.AnnotateModel("bikes", "Another description"),
        ops.SetStage("bikes", 6, "staging"),
    ):
        assert set(ops.plan(OWNED, wanted).files) & set(PATHS) == set()


def test_where_there_is_no_block_nothing_is_written_or_judged() -> None:
    for text in (None, b"* @all\n/models/bikes/ @somebody\n"):
        now = edited(VALID, {"CODEOWNERS": text})
        change = ops.plan(now, ops.AnnotateModel("bikes", owners=("@ann",)))
        assert list(change.files) == ["models/bikes/model.yaml"]
        assert checks.check(now, change) == []


def test_owners_may_change_with_what_they_own_and_other_lines_may_not() -> None:
    change = ops.plan(
        OWNED, ops.AnnotateModel("bikes", owners=("@ann",)), ops.SetStage("bikes", 6, "staging")
    )
    assert "CODEOWNERS" in change.files
    assert checks.check(OWNED, change) == []
    more = {**change.files, "CODEOWNERS": (change.files["CODEOWNERS"] or b"") + b"* @mallory\n"}
    assert {f.rule for f in checks.check(OWNED, Change(more))} == {"policy_and_data_are_apart"}


# --- muster owners sync ---


@pytest.mark.parametrize(
    ("before", "after_it"),
    [
        ("", f"{BEGIN}\n/models/bikes/  @rides\n{END}\n"),
        ("* @all\n", f"* @all\n{BEGIN}\n/models/bikes/  @rides\n{END}\n"),
        ("* @all", f"* @all\n{BEGIN}\n/models/bikes/  @rides\n{END}\n"),
        (
            f"# models/\n* @all\n{GUARD}\n",
            f"# models/\n* @all\n{BEGIN}\n/models/bikes/  @rides\n{END}\n{GUARD}\n",
        ),
        ("*.py @a\nmodels/ @b\n", f"*.py @a\n{BEGIN}\n/models/bikes/  @rides\n{END}\nmodels/ @b\n"),
        ("\r\n# caf\xe9\r\n", f"\r\n# caf\xe9\r\n{BEGIN}\n/models/bikes/  @rides\n{END}\n"),
    ],
)
def test_the_block_comes_before_the_first_rule_for_models(before: str, after_it: str) -> None:
    now = edited(VALID, {"CODEOWNERS": before.encode("latin-1")})
    synced = planned(now, ops.SyncOwners())
    assert synced.files["CODEOWNERS"] == after_it.encode("latin-1")
    assert not ops.plan(synced, ops.SyncOwners())


def test_without_a_file_there_is_one() -> None:
    assert block(planned(VALID, ops.SyncOwners())) == ["/models/bikes/  @rides"]


@pytest.mark.parametrize("path", PATHS)
def test_the_file_is_where_a_forge_looks_for_it(path: str) -> None:
    now = edited(VALID, {path: b"* @all\n"})
    assert block(planned(now, ops.SyncOwners()), path) == ["/models/bikes/  @rides"]


def test_of_several_files_the_one_with_the_block_is_meant() -> None:
    several = edited(VALID, {"CODEOWNERS": b"* @all\n", "docs/CODEOWNERS": b"* @docs\n"})
    with pytest.raises(Invalid, match="several CODEOWNERS"):
        ops.plan(several, ops.SyncOwners())
    marked = edited(several, {"docs/CODEOWNERS": f"{BEGIN}\n{END}\n".encode()})
    assert list(ops.plan(marked, ops.SyncOwners()).files) == ["docs/CODEOWNERS"]


def test_a_block_that_was_edited_by_hand_is_written_anew() -> None:
    now = with_block("", "/models/vans/ @x", "rubbish", "/models/bikes/  @mallory")
    assert block(planned(now, ops.SyncOwners())) == ["/models/bikes/  @rides"]


def test_half_a_block_is_an_error_with_a_way_out() -> None:
    half = edited(VALID, {"CODEOWNERS": f"{BEGIN}\n".encode()})
    for wanted in (ops.SyncOwners(), ops.AnnotateModel("bikes", owners=("@ann",))):
        with pytest.raises(Invalid, match="marks? the block") as raised:
            ops.plan(half, wanted)
        assert END in raised.value.hint


def test_the_template_has_an_empty_block_above_what_guards_production() -> None:
    found = codeowners.parse(TEMPLATE.encode())
    assert found is not None
    assert found.block == ()
    assert any("stages/production.yaml" in line for line in found.below)
    assert not any("stages/production.yaml" in line for line in found.above)


@given(st.text(min_size=1, max_size=20))
def test_no_models_directory_means_anything_in_a_pattern(name: str) -> None:
    if names.problem_with_model_name(name) is None:
        assert re.fullmatch(r"/models/[A-Za-z0-9_.%-]+/", codeowners.pattern(name))
        assert codeowners._model_in(f"{codeowners.pattern(name)}  @a") == name


@given(st.binary(max_size=200), st.lists(st.sampled_from([BEGIN, END, GUARD, "x", ""]), max_size=6))
def test_a_file_is_read_and_written_byte_for_byte(data: bytes, lines: list[str]) -> None:
    text = data + "\n".join(lines).encode()
    try:
        found = codeowners.parse(text)
    except ValueError:
        return
    assert found is None or found.dump() == text


_OPERATIONS = [
    ops.AnnotateModel("bikes", owners=("@ann", ANN)),
    ops.AnnotateModel("bikes", owners=()),
    ops.AnnotateModel("taxis", owners=("@org/taxis",)),
    ops.CreateModel("boats", owners=("@bea",)),
    ops.RenameModel("bikes", "cycles"),
    ops.RenameModel("taxis", "cabs"),
    ops.DeleteModel("vans", ANN, NOON, "x"),
    ops.SyncOwners(),
]
_EDITS = [
    {"CODEOWNERS": OWNED.files["CODEOWNERS"]},
    {"CODEOWNERS": with_block().files["CODEOWNERS"]},
    {"CODEOWNERS": with_block("/models/boats/  @bea", "/models/bikes/  @rides").files["CODEOWNERS"]},
    {"CODEOWNERS": b"* @all\n"},
    {"CODEOWNERS": None},
    {"docs/CODEOWNERS": OWNED.files["CODEOWNERS"]},
    {"models/bikes/model.yaml": b"schema: 1\nname: bikes\nowners: ['@hand']\n"},
]


@given(st.lists(st.sampled_from([*_OPERATIONS, *_EDITS]), max_size=5))
def test_no_way_that_breaks_no_rule_leads_to_a_block_that_is_wrong(
    steps: list[ops.Operation | dict[str, bytes | None]],
) -> None:
    now = OWNED
    for step in steps:
        try:
            change = Change(step) if isinstance(step, dict) else ops.plan(now, step)
        except MusterError:
            continue
        if change and not checks.check(now, change):
            now = after(now, change)
    assert checks.check(EMPTY, Change(now.files)) == []


def test_two_changes_of_owners_on_two_branches_make_a_block_that_is_right(tmp_path: Path) -> None:
    models = [version(name, name) for name in ("a", "b", "c", "d")]
    synced = planned(built(*models), ops.SyncOwners())
    base = planned(synced, *(ops.AnnotateModel(m, owners=("@x",)) for m in "bc"))
    one = planned(base, ops.AnnotateModel("a", owners=("@ann",)))
    two = planned(base, ops.AnnotateModel("d", owners=("@bea",)))
    for name, state in (("base", base), ("one", one), ("two", two)):
        (tmp_path / name).write_bytes(state.files["CODEOWNERS"])
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "merge-file", "one", "base", "two")
    merged = edited(one, {**two.files, **one.files, "models/d/model.yaml": two.files["models/d/model.yaml"]})
    merged = edited(merged, {"CODEOWNERS": (tmp_path / "one").read_bytes()})
    assert len(block(merged)) == 4
    assert checks.check(EMPTY, Change(merged.files)) == []


def test_the_command_line_writes_checks_and_proposes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Registry.create(tmp_path / "server.git", bare=True, author=ANN) as registry:
        model = tmp_path / "m.bin"
        model.write_bytes(b"x")
        registry.register("bikes", model)
        monkeypatch.chdir(tmp_path / "server.git")
        assert run(["owners", "sync", "--check"]) == 0
        assert run(["annotate", "bikes", "--owner", "@ann", "--owner", "Bea <bea@example.com>"]) == 0
        assert block(registry.snapshot()) == ["/models/bikes/  @ann bea@example.com"]
        publish(registry.location, {"CODEOWNERS": TEMPLATE.encode()})
        assert [f.rule for f in registry.check()] == ["codeowners_are_current"]
        capsys.readouterr()
        assert run(["owners", "sync", "--check", "--json"]) == 5
        assert '"CODEOWNERS"' in capsys.readouterr().out
        assert run(["owners", "sync", "--propose"]) == 0
        assert block(registry.snapshot()) == []
        registry.sync_owners(reason="it was edited")
        assert block(registry.snapshot()) == ["/models/bikes/  @ann bea@example.com"]
        assert registry.check() == []
