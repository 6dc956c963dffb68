"""A promotion by pull request from the command line, on each forge: proposed, checked, approved, merged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from forges.conftest import World
from muster import Registry
from support.cli import Said, carry_out
from support.gitcli import git
from support.publishing import guard

pytestmark = pytest.mark.slow

As = Callable[..., Said]


@pytest.fixture
def person(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> As:
    """Run a command in a clone of a registry on the forge, as somebody with a token there."""
    monkeypatch.chdir(world.clone)
    git(world.clone, "switch", "--quiet", "main")
    git(world.clone, "push", "--quiet", "origin", ":proposals/a")
    with Registry.create(world.clone, "bikes", str(tmp_path / "artifacts")) as registry:
        for number in (1, 2):
            model = tmp_path / f"{number}.bin"
            model.write_bytes(bytes([number]) * 2000)
            registry.register("bikes", model, stage="staging", metrics={"rmse": 50.0 + number})
        registry.annotate("bikes", owners=["@ann", "@bob"])
    guard(world.clone, "approvals: 1")
    monkeypatch.setenv("MUSTER_FORGE", f"{world.kind}+{world.server.base}")

    def command(who: str, *arguments: str) -> Said:
        if who:
            monkeypatch.setenv("MUSTER_TOKEN", world.server.users[who])
        else:
            monkeypatch.delenv("MUSTER_TOKEN", raising=False)
        return carry_out(capsys, *arguments)

    return command


def test_a_promotion_goes_all_the_way(world: World, person: As) -> None:
    asked = person("ann", "promote", "bikes/1", "production", "--reason", "the new data")
    assert asked.code == 0, asked.err
    url = asked.out.splitlines()[-1]
    assert url.startswith(f"{world.server.base}/{world.repository.path}/")
    assert person("bob", "promote", "bikes/1", "production").out.splitlines()[-1] == url, "the same is one"
    (waiting,) = person("ann", "proposals", "list", "--json").json
    id = waiting["id"]
    assert (waiting["url"], waiting["author"], waiting["head"]) == (url, "@ann", world.tip(waiting["branch"]))
    text = world.answer(id)
    assert "production none" in text and "the new data" in text and world.server.users["ann"] not in text

    red = person("ann", "check", "main", waiting["head"], "--proposal", id, "--json")
    assert red.code == 5 and "needs 1 approval of @ann, @bob, and has 0" in red.json["findings"][0]["message"]
    assert person("bob", "proposals", "merge", id).code == 5
    person("ann", "proposals", "approve", id)  # some forges take it; it counts on none
    assert person("bob", "proposals", "merge", id).code == 5
    assert person("eve", "proposals", "approve", id).code in (0, 4)  # as may be; she is no owner
    assert person("bob", "proposals", "merge", id).code == 5

    assert person("bob", "proposals", "approve", id, "--head", waiting["head"]).code == 0
    green = person("ann", "check", "main", "--proposal", id, "--json")
    assert (green.code, green.json["findings"]) == (0, [])
    merged = person("ann", "proposals", "merge", id, "--head", waiting["head"])
    assert merged.code == 0, merged.err
    assert merged.out.splitlines()[0] == "bikes: production none -> 1"
    git(world.clone, "pull", "--quiet", "--ff-only")
    assert person("", "resolve", "bikes/production").out == "bikes/1\n"
    assert "the new data" in git(world.clone, "log", "--format=%B", "-2")
    assert person("ann", "proposals", "list").out == "nothing waits\n"
    assert person("", "check").code == 0


def test_a_push_after_the_approval_voids_it(world: World, person: As) -> None:
    id = person("ann", "promote", "bikes/1", "production", "--json").json["proposal"]["id"]
    assert person("bob", "proposals", "approve", id).code == 0
    assert person("ann", "proposals", "show", id).code == 0
    branch = person("ann", "proposals", "list", "--json").json[0]["branch"]
    git(world.clone, "fetch", "--quiet", "origin")
    git(world.clone, "switch", "--quiet", branch)
    (world.clone / "WHY.md").write_text("because\n")
    git(world.clone, "add", "WHY.md")
    git(world.clone, "commit", "--quiet", "--message=why")
    git(world.clone, "push", "--quiet", "origin", branch)
    git(world.clone, "switch", "--quiet", "main")
    shown = person("ann", "proposals", "show", id, "--json")
    assert shown.code == 5
    assert "before the last push" in json.dumps(shown.json["findings"])
    assert person("ann", "proposals", "merge", id).code == 5


def test_without_a_token_the_branch_is_pushed_and_the_page_to_open_is_printed(
    world: World, person: As
) -> None:
    said = person("", "promote", "bikes/1", "production")
    assert said.code == 0, said.err
    branch = next(name for name in git(world.clone, "ls-remote", "origin").split() if "proposals/" in name)
    page = next(
        line.strip()
        for line in said.err.splitlines()
        if ("http" in line and "compare" in line) or "merge_requests/new" in line
    )
    assert page.startswith(f"{world.server.base}/{world.repository.path}/")
    assert branch.removeprefix("refs/heads/").rpartition("/")[2] in page
    assert person("", "proposals", "list").code == 4


def test_closing_closes_it_there_and_deletes_the_branch(world: World, person: As) -> None:
    id = person("ann", "promote", "bikes/1", "production", "--json").json["proposal"]["id"]
    assert person("ann", "proposals", "close", id).code == 0
    assert person("ann", "proposals", "list", "--json").json == []
    assert "proposals/" not in git(world.clone, "ls-remote", "origin")
    assert person("ann", "proposals", "show", id, "--json").json["proposal"]["state"] == "closed"


def test_doctor_asks_the_forge_how_main_is_guarded(world: World, person: As) -> None:
    said = person("ann", "doctor", "--forge", "--json")
    assert {found["ok"] for found in said.json} <= {True, False, None}
    assert any("protect" in found["what"] for found in said.json), said.out
    assert world.server.users["ann"] not in said.out


def test_a_proposal_from_a_fork_is_fetched_judged_and_merged(
    world: World, person: As, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(world.repository.directory), "fork")
    fork = tmp_path / "fork"
    (fork / "models/bikes/aliases").mkdir()
    (fork / "models/bikes/aliases/candidate.yaml").write_text("schema: 1\nversion: 2\n")
    git(fork, "add", "models")
    git(fork, "-c", "user.name=Eve", "-c", "user.email=eve@example.com", "commit", "--quiet", "-m", "try it")
    head = git(fork, "rev-parse", "HEAD")
    git(world.repository.directory, "fetch", "--quiet", str(fork), head)  # as the forge takes it over
    pull = world.repository.open("eve", "mine", "main", "Try it", "", "eve", head)

    id = str(pull.number)
    shown = person("ann", "proposals", "show", id, "--json")
    assert shown.code == 0, shown.err
    assert [event["text"] for event in shown.json["events"]] == ["bikes: @candidate none -> 2"]
    assert shown.json["proposal"]["author"] == "@eve"
    assert person("bob", "proposals", "merge", id).code == 0
    assert head not in git(world.clone, "for-each-ref", "--format=%(objectname)")
    git(world.clone, "pull", "--quiet", "--ff-only")
    assert person("", "resolve", "bikes@candidate").out == "bikes/2\n"


def test_a_proposal_into_another_branch_is_not_merged_as_if_it_were_into_this(
    world: World, person: As
) -> None:
    git(world.clone, "push", "--quiet", "origin", "main:refs/heads/staging-area", "main:refs/heads/mine")
    pull = world.repository.open("ann", "mine", "staging-area", "Elsewhere", "")
    said = person("bob", "proposals", "merge", str(pull.number))
    assert said.code == 4 and "into staging-area, and the registry is on main" in said.err
