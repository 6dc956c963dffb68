"""Proposals without a forge: real branches, approvals and merges, over every way to reach a repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muster import Registry
from muster.core import operations as ops
from muster.core.errors import Conflict, Invalid, MusterError, NotFound, Refused
from muster.core.snapshot import Change
from support.cli import Days, copied
from support.gitcli import git, refs, tip
from support.githttpd import git_http_server
from support.publishing import committed, guard, publish
from support.registry import guarded, yaml
from support.sshd import ssh_server

ANN, BEA, CAT = (f"{name} <{name.lower()}@example.com>" for name in ("Ann", "Bea", "Cat"))
LOW_RISK = b"schema: 1\ntags:\n  risk: low\n"
PROMOTION = ops.SetStage("bikes", 3, "production")


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A bare registry: bikes 1, 2 and 3 and vans 1 are in staging; Ann, Bea and Cat own bikes."""
    return copied(_served, tmp_path / "served")


def _served(directory: Path) -> Path:
    path = directory / "server.git"
    with Registry.create(path, remote=f"../../{path.name}.artifacts", bare=True, author=ANN) as registry:
        for number in (1, 2, 3):
            model = directory / f"{number}.bin"
            model.write_bytes(bytes([number]) * 2000)
            registry.register("bikes", model, stage="staging")
        registry.register("vans", model, stage="staging")
        registry.annotate("bikes", owners=[ANN, "bea@example.com", CAT])
    guard(path, "review: true")
    return path


@pytest.fixture(
    params=[
        "path",
        pytest.param("clone", marks=pytest.mark.slow),
        pytest.param("http", marks=pytest.mark.slow),
        pytest.param("ssh", marks=pytest.mark.slow),
    ]
)
def place(
    request: pytest.FixtureRequest, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The same repository, reached in one of the ways people reach one."""
    match request.param:
        case "path":
            yield str(server)
        case "clone":
            git(tmp_path, "clone", "--quiet", str(server), "clone")
            yield str(tmp_path / "clone")
        case "http":
            with git_http_server(server.parent, {"ann": "secret"}) as served:
                yield served.url(server.name, "ann")
        case "ssh":
            with ssh_server(tmp_path / "sshd") as sshd:
                monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command)
                yield sshd.url(server)


def test_a_proposal_is_listed_approved_and_merged_and_leaves_its_approvals_in_history(
    place: str, server: Path
) -> None:
    guard(server, "approvals: 2")
    with Registry(place, author=ANN) as ann:
        made = ann.propose(PROMOTION, reason="a lower rmse")
        (waiting,) = ann.proposals.list()
        assert (waiting.branch, waiting.head, waiting.author) == (made.branch, made.commit, ANN)
        assert waiting.title == "bikes: production none -> 3, 3 leaves staging"
        with pytest.raises(Invalid, match="needs 2 approvals .* and has 0"):
            ann.proposals.merge(waiting.id)
    for author in (BEA, CAT):
        with Registry(place, author=author) as other:
            approved = other.proposals.approve(waiting.id)
    assert {(a.by, a.head) for a in approved.approvals or ()} == {(BEA, made.commit), (CAT, made.commit)}
    with Registry(place, author=ANN) as ann:
        done = ann.proposals.merge(waiting.branch)
        assert ann.get("bikes/production").version == 3
        assert not ann.proposals.list()
        assert ann.check() == []
    assert done.commit == tip(server)
    words = git(server, "show", "--no-patch", "--format=%B", "main")
    assert words.splitlines()[2:] == [
        "Muster-Reason: a lower rmse",
        f"Approved-by: {BEA}",
        f"Approved-by: {CAT}",
    ]
    assert set(git(server, "log", "-3", "--format=%an", "main^@", "--not", "main^1").split()) == {
        "Ann",
        "Bea",
        "Cat",
    }
    assert refs(server) == ["refs/heads/main"]


def test_the_author_bots_and_those_who_own_nothing_do_not_count(server: Path) -> None:
    guard(server, "approvals: 1")
    with Registry(server, author=ANN) as ann:
        id = ann.proposals.get(ann.propose(PROMOTION).branch).id
    for author in (ANN, "robot[bot] <robot@example.com>", "Dan <dan@example.com>"):
        with Registry(server, author=author) as other:
            other.proposals.approve(id)
    with Registry(server, author=CAT) as cat:
        (finding,) = cat.proposals.assess(id).plan.findings
        for words in (f"{ANN} approved, and the author's", "a bot's", "not an owner's", "has 0"):
            assert words in finding.message
        with pytest.raises(Invalid):
            cat.proposals.merge(id)
        cat.proposals.approve(id)
        cat.proposals.merge(id)


def test_whoever_has_two_addresses_of_one_owner_is_one(server: Path) -> None:
    guard(server, "approvals: 2")
    with Registry(server, author=ANN) as ann:
        id = ann.proposals.get(ann.propose(PROMOTION).branch).id
    for author in (BEA, "Beatrice <BEA@example.com>"):
        with Registry(server, author=author) as other:
            other.proposals.approve(id)
    with Registry(server, author=CAT) as cat, pytest.raises(Invalid, match="needs 2 approvals .* has 1"):
        cat.proposals.merge(id)


def test_a_push_after_approval_voids_it(server: Path) -> None:
    guard(server, "approvals: 1")
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        id = ann.proposals.get(made.branch).id
        with Registry(server, author=BEA) as bea:
            bea.proposals.approve(id)
        more = committed(server, {"models/bikes/annotations/3.yaml": LOW_RISK}, made.commit)
        git(server, "update-ref", f"refs/heads/{made.branch}", more)
        (finding,) = ann.proposals.assess(id).plan.findings
        assert f"it was of {made.commit[:12]}, before the last push" in finding.message
        with pytest.raises(Conflict, match="is at"):
            ann.proposals.approve(id, made.commit)
        with pytest.raises(Conflict, match="is at"):
            ann.proposals.merge(id, made.commit)


def test_an_approval_is_by_whom_its_ref_says_and_changes_nothing(server: Path) -> None:
    guard(server, "approvals: 1")
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        id = ann.proposals.get(made.branch).id
        git_ = ann._git
        forged = git_.commit(made.commit, Change({}, "Approve"), BEA, Days()())
        git_.write_ref(f"refs/muster/approvals/{id}/cat%40example.com", forged, None)
        more = git_.commit(made.commit, Change({"docs/x": b""}, "Approve"), BEA, Days()())
        git_.write_ref(f"refs/muster/approvals/{id}/bea%40example.com", more, None)
        assert ann.proposals.get(id).approvals == ()
        two = git_.merge(made.commit, made.commit, [str(git_.head())], "Approve", CAT, Days()())
        git_.write_ref(f"refs/muster/approvals/{id}/cat%40example.com", two, forged)
        assert ann.proposals.get(id).approvals == ()


def test_the_same_request_twice_is_one_proposal(place: str, server: Path) -> None:
    with Registry(place, author=ANN) as ann, Registry(place, author=BEA) as bea:
        first, second = ann.propose(PROMOTION), bea.propose(PROMOTION, reason="again")
    assert (first.branch, first.commit) == (second.branch, second.commit)
    assert refs(server) == ["refs/heads/main", f"refs/heads/{first.branch}"]


def test_the_same_request_after_main_moved_brings_the_proposal_up_to_date(place: str, server: Path) -> None:
    with Registry(place, author=ANN) as ann:
        first = ann.propose(PROMOTION)
        publish(server, {"models/bikes/annotations/1.yaml": LOW_RISK}, author=BEA)
        second = ann.propose(PROMOTION)
        assert second.branch == first.branch and second.commit != first.commit
        assert git(server, "rev-parse", f"{second.branch}^") == tip(server) == second.base
        ann.proposals.merge(second.branch)
        third = ann.propose(ops.SetStage("bikes", 2, "production"))
        assert third.branch != first.branch


def test_commits_somebody_added_to_a_proposal_are_not_lost(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        more = committed(server, {"docs/why.md": b"because\n"}, made.commit, BEA)
        git(server, "update-ref", f"refs/heads/{made.branch}", more)
        publish(server, {"README.md": b"words\n"}, author=BEA)
        with pytest.raises(Conflict, match="has commits that would be lost"):
            ann.propose(PROMOTION)
        assert tip(server, made.branch) == more


def test_several_models_move_in_one_commit(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION, ops.SetStage("vans", 1, "production"), ops.SetAlias("vans", "live", 1))
        done = ann.proposals.merge(made.branch)
        assert {(e.model, e.name) for e in done.events} >= {
            ("bikes", "production"),
            ("vans", "production"),
            ("vans", "live"),
        }
        assert git(server, "rev-list", "--count", "--first-parent", f"{made.base}..main") == "1"


def test_closing_a_proposal_deletes_its_branch_and_its_approvals(place: str, server: Path) -> None:
    with Registry(place, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        ann.proposals.approve(made.branch)
        ann.proposals.close(made.branch)
        assert not ann.proposals.list()
        with pytest.raises(NotFound):
            ann.proposals.get(made.branch)
    assert refs(server) == ["refs/heads/main"]


def test_two_promotions_to_one_stage_conflict(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        one = ann.propose(PROMOTION)
        two = ann.propose(ops.SetStage("bikes", 2, "production"))
        ann.proposals.merge(one.branch)
        with pytest.raises(Invalid, match="changed on both sides"):
            ann.proposals.merge(two.branch)
        assert ann.propose(ops.SetStage("bikes", 2, "production")).branch == two.branch  # planned again
        ann.proposals.merge(two.branch)
        assert ann.snapshot().stage("bikes", "production") == (2,)


def test_two_promotions_of_two_models_both_pass(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        one, two = ann.propose(PROMOTION), ann.propose(ops.SetStage("vans", 1, "production"))
        ann.proposals.merge(one.branch)
        ann.proposals.merge(two.branch)
        assert ann.snapshot().stage("bikes", "production") == (3,)
        assert ann.snapshot().stage("vans", "production") == (1,)


def merged_wrong(server: Path, one: ops.Operation, two: ops.Operation) -> str:
    """Merge two proposals that git merges cleanly, and return why the second is refused."""
    with Registry(server, author=ANN) as ann:
        first, second = ann.propose(one), ann.propose(two)
        ann.proposals.merge(first.branch)
        before = tip(server)
        with pytest.raises(Invalid) as refused:
            ann.proposals.merge(second.branch)
        assert tip(server) == before and ann.check() == []
    return str(refused.value)


def test_an_alias_to_a_version_beside_its_deletion_is_refused(server: Path) -> None:
    deletion = ops.DeleteVersion("bikes", 1, ANN, "2026-05-01T12:00:00Z", "unlawful data")
    with Registry(server, author=ANN) as ann:
        ann.demote("bikes/1")
    assert "does not exist" in merged_wrong(server, deletion, ops.SetAlias("bikes", "champion", 1))


def test_a_deletion_beside_an_alias_to_the_version_is_refused(server: Path) -> None:
    deletion = ops.DeleteVersion("bikes", 1, ANN, "2026-05-01T12:00:00Z", "unlawful data")
    with Registry(server, author=ANN) as ann:
        ann.demote("bikes/1")
    assert "bikes@champion" in merged_wrong(server, ops.SetAlias("bikes", "champion", 1), deletion)


def test_names_that_differ_by_case_are_refused_once_they_meet(server: Path) -> None:
    assert "Churn" in merged_wrong(server, ops.CreateModel("Churn"), ops.CreateModel("churn"))


def test_a_promotion_is_judged_by_the_policy_it_meets_and_not_by_the_one_it_was_made_under(
    server: Path,
) -> None:
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        guard(server, "review: true, tags: {risk: low}")
        with pytest.raises(Invalid, match="tag risk must be 'low'"):
            ann.proposals.merge(made.branch)


def editing(server: Path, *changes: dict[str, bytes]) -> tuple[str, str]:
    """A proposal that Bea made with an editor: one commit for each of changes. Return its branch and its head."""
    last = None
    for files in changes:
        last = committed(server, files, last, BEA)
    git(server, "update-ref", "refs/heads/proposals/edited", str(last))
    return "proposals/edited", str(last)


def test_policy_loosened_beside_a_promotion_is_judged_by_what_was_before(server: Path) -> None:
    guard(server, "review: true, tags: {risk: low}")
    branch, _ = editing(
        server,
        {
            "registry.yaml": guarded(""),
            "models/bikes/stages/production.yaml": yaml("versions: [3]"),
            "models/bikes/stages/staging.yaml": yaml("versions: [1, 2]"),
        },
    )
    with Registry(server, author=ANN) as ann:
        rules = {f.rule for f in ann.proposals.assess(branch).plan.findings}
    assert rules >= {"policy_and_data_are_apart", "gates_pass"}


def test_every_commit_of_a_proposal_is_checked_and_not_only_its_end(server: Path) -> None:
    with Registry(server) as registry:
        manifest = registry.snapshot().files["models/bikes/versions/1.yaml"]
    changed = manifest.replace(b"size: 2000", b"size: 2001")
    branch, _ = editing(
        server,
        {"models/bikes/versions/1.yaml": changed},
        {"models/bikes/versions/1.yaml": manifest, "README.md": b"only words\n"},
    )
    with Registry(server, author=ANN) as ann:
        findings = ann.proposals.assess(branch).plan.findings
        assert {f.path for f in findings} == {"models/bikes/versions/1.yaml"}
        assert all("on the way" in f.message and "squash" in f.fix for f in findings)
        with pytest.raises(Invalid, match="on the way"):
            ann.proposals.merge(branch)


def test_policy_loosened_in_one_commit_and_restored_in_another_is_seen(server: Path) -> None:
    gate = "review: true, tags: {risk: low}"
    guard(server, gate)
    branch, _ = editing(
        server,
        {"registry.yaml": guarded("")},
        {"models/bikes/aliases/live.yaml": yaml("version: 3")},
        {"registry.yaml": guarded(gate)},
    )
    with Registry(server, author=ANN) as ann:
        assert "policy_and_data_are_apart" in {f.rule for f in ann.proposals.assess(branch).plan.findings}


def test_a_merge_loses_no_race(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        proposals = ann.proposals
        assessed = str(proposals.assess(made.branch).base)
        now = publish(server, {"README.md": b"words\n"}, author=BEA)
        with pytest.raises(Conflict):
            proposals._forge.merge(made.branch.removeprefix("proposals/"), made.commit, assessed, "late")
        assert tip(server) == now


def test_what_is_merged_or_gone_is_not_merged_again(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        made = ann.propose(PROMOTION)
        git(server, "update-ref", "refs/heads/main", made.commit)
        assert not ann.proposals.list()
        with pytest.raises(Refused, match="merged already"):
            ann.proposals.merge(made.branch)
        with pytest.raises(MusterError):
            ann.proposals.merge("nobody-knows")


def test_nothing_is_proposed_where_nothing_would_change(server: Path) -> None:
    with Registry(server, author=ANN) as ann, pytest.raises(Invalid, match="nothing to propose"):
        ann.propose(ops.SetStage("bikes", 3, "staging"))
    assert refs(server) == ["refs/heads/main"]


def test_going_back_by_a_proposal_needs_a_reason_too(server: Path) -> None:
    with Registry(server, author=ANN) as ann:
        ann.proposals.merge(ann.propose(PROMOTION).branch)
        ann.proposals.merge(ann.propose(ops.SetStage("bikes", 2, "production")).branch)
        guard(server, "review: true, rollback: {review: false}")
        back = ann.propose(ops.SetStage("bikes", 3, "production"))
        with pytest.raises(Invalid, match="a reason is required"):
            ann.proposals.merge(back.branch)
        done = ann.proposals.merge(back.branch, reason="alerts since noon")
        assert next(iter(ann.history("bikes/production"))).reason == "alerts since noon"
        assert done.commit == tip(server)


def test_a_clone_that_cannot_follow_a_merge_is_told(server: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(server), "clone")
    with Registry(tmp_path / "clone", author=ANN) as ann:
        made = ann.propose(PROMOTION)
        (tmp_path / "clone" / "models/bikes/stages/staging.yaml").write_text("my own edit\n")
        assert "git pull" in ann.proposals.merge(made.branch).note
        assert ann.snapshot().stage("bikes", "production") == ()


def test_a_registry_that_follows_no_remote_has_no_forge_to_ask(server: Path) -> None:
    with Registry(server, author=ANN) as ann, pytest.raises(Refused, match="no forge") as refused:
        ann.proposals.settings()
    assert "git push --set-upstream" in refused.value.hint
