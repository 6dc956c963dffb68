"""The command line on real registries: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import shlex
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest

from muster.frontends.cli import COMMANDS, group, run
from support.cli import Said, bikes, carry_out, clone_of, state_of
from support.gitcli import git, refs, tip

Muster = Callable[..., Said]


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return bikes(tmp_path)


@pytest.fixture
def muster(server: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Muster:
    """Run a command in a clone of the registry, which is the working directory."""
    monkeypatch.chdir(clone_of(server, server.parent / "clone"))

    return partial(carry_out, capsys)


VERSION_KEYS = {
    "model", "version", "label", "stage", "aliases", "commit", "digest", "problem", "description", "tags", "evaluations", "yanked",
    "created_at", "created_by", "artifacts", "signature", "input_example", "requirements", "metrics", "params",
    "lineage", "model_card", "model_card_sections", "extra",
}  # fmt: skip
MODEL_KEYS = {
    "name", "description", "owners", "tags", "versions", "deleted", "aliases", "stages", "formerly", "problem",
}  # fmt: skip
RESOLVED_KEYS = {"model", "version", "label", "stage", "aliases", "commit", "digest", "uri"}
COMPARED_KEYS = {
    "a", "b", "same_content", "metrics", "params", "tags", "requirements", "lineage", "signature", "signature_reasons",
    "signature_differences",
    "formats", "files", "size_delta",
}  # fmt: skip

# command, what its words contain, the keys of its JSON (of the first element, for a list)
READS: tuple[tuple[list[str], str, set[str]], ...] = (
    (["list"], "bikes  3       production: 2, staging: 3  @champion: 3", MODEL_KEYS),
    (["list", "bikes"], "bikes/2  production             58.5", VERSION_KEYS),
    (["show", "bikes"], "stages:       production: 2, staging: 3", MODEL_KEYS),
    (["show", "bikes/3"], "aliases:      @champion", VERSION_KEYS),
    (["search", "metrics.rmse < 60", "--order-by", "metrics.rmse"], "bikes/3", VERSION_KEYS),
    (["search", "--models", "name = 'bikes'"], "bikes", MODEL_KEYS),
    (["compare", "bikes/2", "bikes/3"], "rmse    58.5     51.25    -7.25  -12.4%", COMPARED_KEYS),
    (
        ["history", "bikes@champion"],
        "    because: a lower rmse",
        {"commit", "at", "author", "reason", "subject", "events"},
    ),
    (["resolve", "bikes/production"], "bikes/2\n", RESOLVED_KEYS),
    (["policy", "show"], "    moves only by a reviewed proposal", {"stages", "aliases"}),
    (
        ["doctor"],
        "ok    registry     server, stages staging, production, archived",
        {"what", "ok", "words", "fix"},
    ),
)


@pytest.mark.parametrize(
    ("command", "words", "keys"), READS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_read_prints_words_or_json_on_stdout_and_nothing_else(
    muster: Muster, command: list[str], words: str, keys: set[str]
) -> None:
    plainly, as_json = muster(*command), muster(*command, "--json")
    assert (plainly.code, as_json.code, plainly.err, as_json.err) == (0, 0, "", "")
    assert words in plainly.out
    found = as_json.json
    assert set(found[0] if isinstance(found, list) else found) == keys


def test_pull_brings_the_files_and_prints_where(muster: Muster, tmp_path: Path) -> None:
    assert muster("pull", "bikes@champion", "-o", tmp_path / "here").out == f"{tmp_path / 'here'}\n"
    assert (tmp_path / "here" / "3.bin").read_bytes() == b"\3" * 2000
    again = muster("pull", "bikes/2", "-o", tmp_path / "there", "--json").json
    assert again == {
        "reference": "bikes/2",
        "path": str(tmp_path / "there"),
        "model": "bikes",
        "version": 2,
        "commit": git(Path(), "rev-parse", "HEAD").strip(),
        "files": 1,
        "size": 2000,
        "already": False,
    }


def test_a_pull_of_what_is_there_says_so_and_another_version_is_refused_until_it_may_replace(
    muster: Muster, tmp_path: Path
) -> None:
    muster("pull", "bikes/2", "-o", tmp_path / "here")
    again = muster("pull", "bikes/2", "-o", tmp_path / "here")
    assert (again.code, again.out) == (0, f"{tmp_path / 'here'}\n") and "already there" in again.err
    assert muster("pull", "bikes/2", "-o", tmp_path / "here", "--json").json["already"]
    other = muster("pull", "bikes/3", "-o", tmp_path / "here")
    assert other.code == 6 and "--replace" in other.err
    assert muster("pull", "bikes/3", "-o", tmp_path / "here", "--replace", "--link", "hardlink").code == 0
    assert (tmp_path / "here" / "3.bin").read_bytes() == b"\3" * 2000


def test_a_pattern_that_fits_nothing_exits_with_3_and_names_what_there_is(
    muster: Muster, tmp_path: Path
) -> None:
    assert muster("pull", "bikes/2", "-o", tmp_path / "here", "--include", "*.bin").code == 0
    for option in ("--include", "--exclude"):
        said = muster("pull", "bikes/2", "-o", tmp_path / "there", option, "*.onnx")
        assert said.code == 3 and "bikes/2" in said.err and "2.bin" in said.err
    assert not (tmp_path / "there").exists()


def test_open_gives_the_bytes_of_one_file(muster: Muster, server: Path, tmp_path: Path) -> None:
    assert muster("open", "bikes@champion", "3.bin").out.encode() == b"\3" * 2000
    assert muster("open", "bikes/2", "2.bin", "-o", tmp_path / "two").out == ""
    assert (tmp_path / "two").read_bytes() == b"\2" * 2000
    assert muster("open", "bikes/1", "1.bin", "-o", tmp_path / "two").code == 6
    assert muster("open", "bikes/1", "2.bin").code == 3
    _break_a_byte(server)
    wrong = muster("open", "bikes/1", "1.bin")
    assert (wrong.code, wrong.out) == (7, "")
    assert muster("open", "bikes/1", "1.bin", "-o", tmp_path / "one").code == 7
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".two", ".one", "one"))] == []


def test_load_check_says_what_was_loaded(muster: Muster) -> None:
    assert muster("load-check", "bikes/1").out == f"{type(Path()).__module__}.PosixPath\n"
    assert muster("load-check", "bikes/1", "--json").json == {
        "reference": "bikes/1",
        "type": f"{type(Path()).__module__}.PosixPath",
    }


def test_verify_and_check_find_nothing_wrong_and_say_so_on_stderr(muster: Muster) -> None:
    assert muster("verify", "bikes/1") == (0, "", "bikes/1: every byte is as it was registered\n")
    assert muster("verify", "bikes/1", "--json").json == {"reference": "bikes/1", "findings": []}
    assert muster("check") == (0, "", "every rule holds\n")
    said = muster("check", "--json").json
    assert (said["ok"], said["findings"]) == (True, [])


def test_fmt_changes_what_is_not_canonical_and_leaves_the_rest(muster: Muster) -> None:
    card = Path("models/bikes/model.yaml")
    canonical = card.read_bytes()
    card.write_bytes(canonical + b"tags: {b: x, a: y}\n")
    assert muster("fmt", "--check") == (5, f"{card}\n", "")
    assert muster("fmt", "--json").json == {"changed": [str(card)], "kept": {}}
    assert muster("fmt") == (0, "", "")
    assert card.read_bytes() == canonical + b"tags:\n  b: x\n  a: y\n"


def test_init_lays_down_a_registry_and_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["init", str(tmp_path / "new")]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "next: muster register NAME PATH" in err
    monkeypatch.setenv("MUSTER_REGISTRY", str(tmp_path / "new"))
    assert run(["init", str(tmp_path / "other"), "--json"]) == 0
    assert Said(0, *capsys.readouterr()).json == {
        "location": str(tmp_path / "other"),
        "commit": tip(tmp_path / "other"),
    }


EVENT_KEYS = {"kind", "text", "model", "name", "gained", "lost", "details"}
# command, the first line of what it says happened
WRITES: tuple[tuple[list[str], str], ...] = (
    (["promote", "bikes/1", "staging"], "bikes: 1 joins staging"),
    (["demote", "bikes/3"], "bikes: staging 3 -> none"),
    (["rollback", "bikes@champion", "--reason", "it drifts"], "bikes: @champion 3 -> 2"),
    (["alias", "set", "bikes/1", "baseline"], "bikes: @baseline none -> 1"),
    (["alias", "rm", "bikes@champion"], "bikes: @champion 3 -> none"),
    (["tag", "bikes/3", "risk=low"], "bikes: 3 risk=low"),
    (["annotate", "bikes/3", "--evaluation", "bias", "--passed"], "bikes: 3 bias passed"),
    (["annotate", "bikes", "--description", "Bikes hired a day"], "bikes: description changed"),
    (["yank", "bikes/1", "--reason", "trained on the test set"], "bikes: 1 yanked: trained on the test set"),
    (["rename", "vans", "lorries"], "vans: renamed to lorries"),
    (["delete", "bikes/1", "--yes", "--reason", "unlawful data"], "bikes: 1 deleted: unlawful data"),
)
# A rename moves production, too, which only a proposal may do.
PLANS = (*WRITES, (["rename", "bikes", "cycles"], "bikes: renamed to cycles"))


def _ids(value: list[str] | str) -> str:
    return " ".join(value[:2]) if isinstance(value, list) else ""


@pytest.mark.parametrize(("command", "words"), WRITES, ids=_ids)
def test_a_write_moves_the_registry_and_says_what_happened(
    muster: Muster, server: Path, command: list[str], words: str
) -> None:
    before = tip(server)
    said = muster(*command)
    assert said.code == 0, said.err
    assert said.out.startswith(words)
    assert git(server, "rev-parse", "main^") == before
    assert tip(Path.cwd()) == tip(server)
    assert muster("check").code == 0


@pytest.mark.parametrize(("command", "words"), WRITES, ids=_ids)
def test_a_write_in_json_is_its_commit_and_its_events(
    muster: Muster, server: Path, command: list[str], words: str
) -> None:
    said = muster(*command, "--json")
    assert (said.code, said.err) == (0, "")
    assert set(said.json) == {"commit", "events", "note"}
    assert said.json["commit"] == tip(server)
    assert set(said.json["events"][0]) == EVENT_KEYS
    assert said.json["events"][0]["text"].startswith(words)


def test_what_review_guards_is_proposed_by_itself(muster: Muster, server: Path) -> None:
    before = tip(server)
    said = muster("rename", "bikes", "cycles")
    assert said.code == 0 and said.out == "bikes: renamed to cycles\n"
    assert "only by a reviewed proposal" in said.err and "muster proposals merge bikes-" in said.err
    assert tip(server) == before
    assert len(muster("proposals", "list", "--json").json) == 1


def test_what_review_guards_never_enters_directly(muster: Muster, server: Path) -> None:
    before = refs(server)
    said = muster("rename", "bikes", "cycles", "--direct")
    assert said.code == 4 and "muster rename bikes cycles --propose" in said.err
    assert refs(server) == before


@pytest.mark.parametrize(("command", "words"), PLANS, ids=_ids)
def test_a_dry_run_prints_the_plan_and_writes_nothing(
    muster: Muster, server: Path, command: list[str], words: str
) -> None:
    places = (server, server.parent / "server.git.artifacts", Path.cwd())
    git(Path.cwd(), "fetch", "--quiet")
    muster(*command, "--dry-run")
    before = state_of(*places)
    said, as_json = muster(*command, "--dry-run"), muster(*command, "--dry-run", "--json")
    assert (said.code, as_json.code) == (0, 0), said.err
    assert f"  {words}" in said.out
    assert set(as_json.json) == {"base", "message", "events", "files", "findings", "review"}
    assert state_of(*places) == before


@pytest.mark.parametrize(("command", "words"), PLANS, ids=_ids)
def test_a_proposal_waits_on_a_branch_of_its_own(
    muster: Muster, server: Path, command: list[str], words: str
) -> None:
    before = tip(server)
    said = muster(*command, "--propose", "--json")
    assert (said.code, said.err) == (0, "")
    proposal = said.json
    assert set(proposal) == {"branch", "commit", "base", "events", "proposal", "page", "note"}
    assert (tip(server), tip(server, proposal["branch"])) == (before, proposal["commit"])
    assert muster("check", "main", proposal["branch"]).code == 0


def test_a_proposal_in_words_ends_with_the_commands_that_show_and_merge_it(
    muster: Muster, server: Path
) -> None:
    said = muster("promote", "bikes/3", "production", "--propose", "--reason", "a lower rmse")
    assert said.out.splitlines()[0] == "bikes: production 2 -> 3"
    show, merge = (line.split()[1:] for line in said.err.splitlines()[-2:])
    shown = muster(*show)
    assert (shown.code, shown.err) == (0, "")
    assert "bikes: production 2 -> 3" in shown.out and "waiting for a review" in shown.out
    merged = muster(*merge)
    assert (merged.code, merged.out.splitlines()[0]) == (0, "bikes: production 2 -> 3")
    assert muster("-R", server, "resolve", "bikes/production").out == "bikes/3\n"
    assert "because: a lower rmse" in muster("history", "bikes/production").out
    assert muster("proposals", "list").out == "nothing waits\n"


def test_a_proposal_is_merged_by_plain_git(muster: Muster, server: Path) -> None:
    branch = muster("promote", "bikes/3", "production", "--propose", "--json").json["branch"]
    git(Path.cwd(), "fetch", "--quiet")
    git(Path.cwd(), "merge", "--quiet", f"origin/{branch}")
    git(Path.cwd(), "push", "--quiet")
    assert muster("-R", server, "resolve", "bikes/production").out == "bikes/3\n"


def test_registering_prints_the_version_and_says_on_stderr_what_it_came_to(
    muster: Muster, tmp_path: Path
) -> None:
    model = tmp_path / "4.bin"
    model.write_bytes(b"\4" * 1500)
    command = [
        "register",
        "bikes",
        model,
        "-m",
        "rmse=50.5",
        "-p",
        "depth=4",
        "-t",
        "team=x",
        "--alias",
        "new",
    ]
    said = muster(*command)
    assert (said.code, said.out) == (0, "bikes/4\n")
    assert said.err.startswith("registered: file, 1.5 kB in 1 file, sha256:")
    again = muster(*command)
    assert (again.code, again.out) == (0, "bikes/4\n")
    assert again.err.startswith("these files are registered already: nothing to do")
    shown = muster("show", "bikes@new", "--json").json
    assert (shown["metrics"], shown["params"], shown["tags"]) == ({"rmse": 50.5}, {"depth": 4}, {"team": "x"})


def test_registering_in_a_dry_run_or_as_a_proposal_leaves_main_alone(
    muster: Muster, server: Path, tmp_path: Path
) -> None:
    model = tmp_path / "4.bin"
    model.write_bytes(b"\4" * 1500)
    store, before = tmp_path / "server.git.artifacts", tip(server)
    stored, places = state_of(store), refs(server)
    assert "  bikes: registered 4" in muster("register", "bikes", model, "--dry-run").out
    assert (state_of(store), refs(server), tip(server)) == (stored, places, before)
    assert muster("register", "bikes", model, "--propose").code == 0
    assert tip(server) == before
    assert state_of(store) != stored


def test_doing_what_is_done_already_says_so_and_makes_no_commit(muster: Muster, server: Path) -> None:
    before = tip(server)
    said = muster("alias", "set", "bikes/3", "champion")
    assert said == (0, "", "nothing to do: it is so already\n")
    assert tip(server) == before


def test_every_read_can_be_asked_of_a_commit_a_git_tag_or_a_date(muster: Muster, server: Path) -> None:
    first, second, *_ = git(server, "log", "--reverse", "--format=%H %cs").splitlines()
    (empty, _), (one, day) = first.split(), second.split()
    for moment in (one, one[:12], day, f"{day}T23:59:00Z"):
        assert "versions:     1\n" in muster("show", "bikes", "--at", moment).out
    assert "versions:     1, 2, 3\n" in muster("show", "bikes", "--at", "before-going-live").out
    assert muster("list", "--at", empty, "--json").json == []
    assert muster("list", "--at", "2024-12-31").code == 3


def test_an_expectation_that_holds_lets_it_pass_and_another_is_a_conflict(muster: Muster) -> None:
    said = muster("alias", "set", "bikes/1", "champion", "--expect", "2")
    assert said.code == 6
    assert "3" in said.err
    assert muster("alias", "set", "bikes/1", "champion", "--expect", "3").code == 0
    assert muster("alias", "set", "bikes/1", "fresh", "--expect", "none").code == 0
    assert muster("alias", "set", "bikes/2", "fresh", "--expect", "none").code == 6
    assert muster("alias", "set", "bikes/2", "fresh", "--expect", "seven").code == 2


def _store(server: Path) -> Path:
    return server.parent / "server.git.artifacts"


def _break_a_byte(server: Path) -> None:
    for path in _store(server).rglob("*"):
        if path.is_file() and path.stat().st_size == 2000:
            path.chmod(0o644)
            path.write_bytes(b"\0" + path.read_bytes()[1:])


EXITS: tuple[tuple[int, list[str]], ...] = (
    (2, ["list", "--no-such-option"]),
    (2, ["nonsense"]),
    (2, ["promote", "bikes/1"]),
    (2, ["tag", "bikes/1", "no-equals-sign"]),
    (2, ["delete", "bikes/1", "--reason", "nobody is asked here"]),
    (3, ["show", "bikes/9"]),
    (3, ["resolve", "cars@champion"]),
    (3, ["list", "--at", "no-such-tag"]),
    (3, ["list", "-R", "/no/such/place"]),
    (3, ["register", "bikes", "no-such-file"]),
    (4, ["promote", "bikes/3", "production", "--direct"]),
    (5, ["show", "bikes/3/4"]),
    (5, ["search", "metrics.rmse <"]),
    (5, ["register", "a:b", "registry.yaml"]),
    (5, ["rollback", "bikes@champion"]),
    (5, ["register", "bikes", "registry.yaml", "-m", "rmse=nan"]),
    (6, ["init", "."]),
    (6, ["pull", "bikes/1", "-o", "models"]),
    (8, ["list", "-R", "http://127.0.0.1:1/registry.git"]),
)


@pytest.mark.parametrize(("code", "command"), EXITS, ids=[f"{c}: {' '.join(a)}" for c, a in EXITS])
def test_every_failure_has_its_exit_code_and_its_words_on_stderr(
    muster: Muster, code: int, command: list[str]
) -> None:
    said = muster(*command)
    assert said.code == code, said.err
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_a_byte_that_is_not_as_registered_exits_with_7(muster: Muster, server: Path, tmp_path: Path) -> None:
    _break_a_byte(server)
    said = muster("verify", "bikes/1")
    assert said.code == 7
    assert "1.bin" in said.out
    assert muster("pull", "bikes/1", "-o", tmp_path / "out").code == 7
    assert not (tmp_path / "out").exists()


def test_a_broken_rule_exits_with_5_and_names_the_line(muster: Muster) -> None:
    alias = Path("models/bikes/aliases/champion.yaml")
    alias.write_text("version: 9\n")
    git(Path.cwd(), "commit", "--quiet", "--all", "--message=dangling")
    said = muster("check")
    assert (said.code, said.err) == (5, "1 finding\n")
    assert said.out.startswith(f"{alias}:")
    as_json = muster("check", "origin/main", "main", "--json")
    assert as_json.code == 5
    assert set(as_json.json["findings"][0]) == {"path", "rule", "message", "line", "column", "fix"}


def test_doctor_exits_with_1_and_says_how_to_mend_it(muster: Muster, server: Path) -> None:
    shutil.rmtree(_store(server))
    said = muster("doctor")
    assert said.code == 1
    assert any(line.startswith("FAIL  artifacts") and " -> " in line for line in said.out.splitlines())


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (["show", "bikse"], "did you mean 'bikes'?"),
        (["promote", "bikes/3", "prodution"], "did you mean 'production'?"),
        (["show", "bikes@chmapion"], "did you mean 'champion'?"),
        (["promot", "bikes/3", "staging"], "did you mean 'promote'?"),
    ],
)
def test_a_slip_of_the_fingers_is_told_what_was_meant(muster: Muster, command: list[str], meant: str) -> None:
    said = muster(*command)
    assert said.code in (2, 3)
    assert meant in said.err


def test_the_registry_is_named_before_or_after_the_command_or_by_the_environment(
    muster: Muster, server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert muster("resolve", "bikes/1").code == 3
    assert muster("-R", server, "resolve", "bikes/1").out == "bikes/1\n"
    assert muster("resolve", "bikes/1", "-R", server).out == "bikes/1\n"
    assert muster("policy", "show", "--registry", server).code == 0
    monkeypatch.setenv("MUSTER_REGISTRY", str(server))
    assert muster("resolve", "bikes/1").out == "bikes/1\n"
    assert muster("resolve", "bikes/1", "-R", tmp_path / "elsewhere").code == 3
    assert (
        muster("-R", tmp_path / "elsewhere", "resolve", "bikes/1", "-R", server.as_uri()).out == "bikes/1\n"
    )


def test_a_branch_is_named_before_or_after_the_command(muster: Muster, server: Path) -> None:
    git(server, "branch", "older", "main~3")
    assert muster("list", "-R", server, "--branch", "older", "--json").json[0]["aliases"] == {}
    assert muster("--branch", "older", "list", "-R", server, "--json").json[0]["aliases"] == {}


def test_a_refusal_says_the_whole_command_that_proposes_it(muster: Muster) -> None:
    said = muster("promote", "bikes/3", "production", "--direct", "--reason", "it's better")
    assert said.code == 4
    hint = """hint: propose it: muster promote bikes/3 production --reason 'it'"'"'s better' --propose"""
    assert hint in said.err.splitlines()


HOSTILE = "red \x1b[31m bell \x07 csi \x9b31m right to left \u202e\u2066 tag \U000e0041 end"


def test_what_strangers_wrote_commands_neither_terminal_nor_ci(muster: Muster, server: Path) -> None:
    assert muster("annotate", "bikes/3", "--description", HOSTILE, "--reason", HOSTILE).code == 0
    assert muster("tag", "bikes", f"note=::error::{HOSTILE}").code == 0
    reads = [["list"], ["list", "bikes"], ["show", "bikes"], ["show", "bikes/3"], ["history"], ["search"]]
    for command in [*reads, *([*c, "--json"] for c in reads)]:
        said = muster(*command)
        assert said.code == 0
        assert [c for c in said.out if not c.isprintable() and c != "\n"] == [], command
        assert not any(line.lstrip().startswith("::") for line in said.out.splitlines())
    assert muster("show", "bikes/3", "--json").json["description"] == HOSTILE
    assert r"red \x1b[31m bell \x07" in muster("show", "bikes/3").out


@pytest.mark.parametrize("name", ["::error file=x::pwned", "##[error]pwned", "a\x1b[31m\nb", "\u202egnp.exe"])
def test_a_file_name_commands_neither_terminal_nor_ci(muster: Muster, name: str) -> None:
    (Path.cwd() / "models" / "bikes" / name).write_text("x")
    (Path.cwd() / name).write_text("x")
    git(Path.cwd(), "add", "--all")
    git(Path.cwd(), "commit", "--quiet", "--message=odd")
    said = muster("check", "origin/main", "main")
    assert said.code == 5
    for line in (said.out + said.err).splitlines():
        assert line.isprintable()
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


def test_what_was_typed_commands_no_terminal_either(muster: Muster) -> None:
    for command in (["show", HOSTILE], [HOSTILE], ["list", f"--{HOSTILE}"], ["promote", "bikes/3", HOSTILE]):
        said = muster(*command)
        assert said.code in (2, 3, 5)
        assert [c for c in said.err if not c.isprintable() and c != "\n"] == []


def test_the_table_of_commands_says_what_the_commands_say_of_themselves() -> None:
    context = group.make_context("muster", ["list"])
    for name, (_, line) in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None and command.help is not None
        assert command.help.splitlines()[0] == line, name


def test_every_command_explains_itself_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    context = group.make_context("muster", ["list"])
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: muster {name}")
        command: Any = group.get_command(context, name)
        for one in getattr(command, "commands", {name: command}).values():
            missing = [p.name for p in one.get_params(context) if isinstance(p, click.Option) and not p.help]
            assert missing == [], f"{name}: {missing}"


PLAN = """\
schema: 1
reason: the nightly run
changes:
- {promote: bikes/3, to: production}
- {promote: vans/1, to: staging}
- {tag: vans, set: {team: rides}}
"""


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_file_of_changes_is_one_proposal(
    muster: Muster, server: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "file":
        Path("plan.yaml").write_text(PLAN)
        said = muster("propose", "--from", "plan.yaml")
    else:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PLAN.encode())))
        said = muster("propose", "--from", "-")
    assert said.code == 0, said.err
    assert {line.partition(":")[0] for line in said.out.splitlines()} == {"bikes", "vans"}
    (waiting,) = muster("proposals", "list", "--json").json
    assert muster("proposals", "merge", waiting["id"]).code == 0
    assert muster("resolve", "vans/staging").out == "vans/1\n"
    assert git(server, "rev-list", "--count", "--first-parent", f"{waiting['head']}^..main") == "1"
    assert "because: the nightly run" in muster("history", "vans").out


def test_a_file_of_changes_enters_directly_where_policy_lets_it(muster: Muster, server: Path) -> None:
    Path("plan.yaml").write_text(PLAN)
    before = refs(server)
    assert muster("propose", "--from", "plan.yaml", "--direct").code == 4
    assert refs(server) == before
    Path("plan.yaml").write_text("schema: 1\nchanges:\n- {promote: vans/1, to: staging}\n")
    assert muster("propose", "--from", "plan.yaml", "--direct").code == 0
    assert muster("resolve", "vans/staging").out == "vans/1\n"


def test_several_versions_are_promoted_at_once(muster: Muster, server: Path) -> None:
    before = git(server, "rev-list", "--count", "main")
    assert muster("promote", "vans/1", "bikes/1", "staging").code == 0
    assert int(git(server, "rev-list", "--count", "main")) == int(before) + 1
    assert muster("promote", "vans/1", "bikes/1", "staging", "--expect", "1").code == 2


def test_proposals_are_steered_from_the_command_line(muster: Muster, server: Path) -> None:
    id = muster("promote", "bikes/3", "production", "--json").json["branch"]
    head = tip(server, id)
    assert muster("proposals", "list").out.splitlines()[1].startswith(id.removeprefix("proposals/"))
    assert muster("proposals", "approve", id, "--head", "main").code == 6
    assert muster("proposals", "approve", id, "--head", head).out.startswith("approved by Ann Author")
    shown = muster("proposals", "show", id, "--json").json
    assert shown["ok"] and shown["proposal"]["approvals"][0]["head"] == head
    assert muster("proposals", "merge", id, "--head", "main").code == 6
    assert muster("proposals", "close", id).out == f"closed {id}\n"
    assert muster("proposals", "show", id).code == 3


def test_a_proposal_that_fails_is_shown_and_not_merged(muster: Muster, server: Path) -> None:
    id = muster("promote", "bikes/1", "production", "--propose", "--json").json["branch"]
    assert muster("proposals", "show", id).code == 5
    before = refs(server)
    assert muster("proposals", "merge", id).code == 5
    assert refs(server) == before


def test_the_ways_out_of_findings_are_commands_that_lead_out(muster: Muster, server: Path) -> None:
    gate = "{from: [staging], tags: {risk: it's low}, evaluations: [bias; and more]}"
    Path("registry.yaml").write_text(
        f"schema: 1\nname: bikes\nstages:\n  staging: {{}}\n  production: {gate}\n  archived: {{}}\n"
    )
    git(Path.cwd(), "commit", "--quiet", "--all", "--message=Guard production")
    git(Path.cwd(), "push", "--quiet")
    refused = muster("promote", "bikes/1", "production", "--dry-run", "--json")
    assert refused.code == 5
    fixes = [finding["fix"] for finding in refused.json["findings"]]
    assert len(fixes) == 3
    for fix in fixes:
        typed = shlex.split(fix[fix.index("muster ") :])
        assert muster(*typed[1:]).code == 0, fix
    assert muster("promote", "bikes/1", "production").code == 0
    assert muster("resolve", "bikes/production").out == "bikes/1\n"
