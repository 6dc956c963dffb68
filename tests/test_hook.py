"""The gate of a server without a forge, through real pushes: by path, over HTTP with a password, and over SSH."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from muster import Registry
from muster.core import documents, dvcfile, manifest, names
from muster.core.errors import Invalid, Refused
from muster.core.operations import SetStage
from muster.receiving import Update, install, read_updates, read_users
from support.cli import bikes, clone_of
from support.gitcli import git, tip, write_hook
from support.githttpd import git_http_server
from support.publishing import guard, publish
from support.registry import manifest_of, stored
from support.sshd import ssh_server

pytestmark = pytest.mark.slow

BOB = "Bob Boss <bob@example.com>"
CAT = "Cat Chief <cat@example.com>"
STAGING, PRODUCTION = "models/bikes/stages/staging.yaml", "models/bikes/stages/production.yaml"
ARCHIVED = "models/bikes/stages/archived.yaml"


@dataclass(frozen=True)
class Pushed:
    """What a push came to."""

    accepted: bool
    words: str


class Clone:
    """Somebody's clone of the registry, who edits it by hand."""

    def __init__(self, path: Path, server: Path) -> None:
        self.path, self.server = path, server

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "by hand") -> str:
        """Commit files; None deletes."""
        for name, content in files.items():
            target = self.path / name
            if content is None:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--allow-empty", f"--message={message}")
        return str(tip(self.path))

    def replaced(self, name: str, old: str, new: str) -> str:
        """The text of a file with old replaced by new, which it must contain."""
        text = (self.path / name).read_text()
        assert old in text
        return text.replace(old, new)

    def push(self, *refs: str, remote: str = "origin", force: bool = False) -> Pushed:
        """Push refs, main unless some are named."""
        options = ["--force"] if force else []
        command = ["git", "-C", str(self.path), "push", *options, remote, *(refs or ("main",))]
        done = subprocess.run(command, capture_output=True, text=True)
        return Pushed(done.returncode == 0, done.stderr)

    def approve(self, branch: str, who: str, by: str | None = None) -> tuple[str, str]:
        """Approve a proposal on this side; return the approval's commit and ref."""
        name, _, email = who.partition(" <")
        head = str(tip(self.server, branch))
        env = {**os.environ, "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email.rstrip(">")}
        made = subprocess.run(
            ["git", "-C", str(self.path), "commit-tree", f"{head}^{{tree}}", "-p", head, "-m", "Approve"],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        identity = names.encode(by or email.rstrip(">"))
        return made, f"refs/muster/approvals/{branch.removeprefix('proposals/')}/{identity}"

    def merge(self, *commits: str) -> str:
        """Merge commits into main, never as a fast-forward."""
        git(self.path, "merge", "--quiet", "--no-ff", "--message=merge", *commits)
        return str(tip(self.path))


@pytest.fixture
def server(tmp_path: Path) -> Path:
    path = bikes(tmp_path)
    install(str(path), None, None)
    return path


@pytest.fixture
def clone(server: Path, tmp_path: Path) -> Clone:
    return Clone(clone_of(server, tmp_path / "clone"), server)


@pytest.fixture(params=["path", "http", "ssh"])
def far(request: pytest.FixtureRequest, clone: Clone, tmp_path: Path) -> Iterator[Clone]:
    """A clone that pushes by each way there is."""
    if request.param == "path":
        yield clone
    elif request.param == "http":
        with git_http_server(clone.server.parent, {"ann": "secret"}) as running:
            git(clone.path, "remote", "set-url", "origin", running.url(clone.server.name, "ann"))
            yield clone
    else:
        with ssh_server(tmp_path / "sshd") as daemon:
            git(clone.path, "remote", "set-url", "origin", daemon.url(clone.server))
            git(clone.path, "config", "core.sshCommand", daemon.command)
            yield clone


def proposed(server: Path, version: int = 3) -> str:
    """Propose to put a version into production; return the branch."""
    with Registry(server, author="Dan Doer <dan@example.com>") as registry:
        return registry.propose(SetStage("bikes", version, "production"), reason="better").branch


def fetch(clone: Clone) -> None:
    """Bring the clone up to date with the server."""
    git(clone.path, "fetch", "--quiet", str(clone.server), "+refs/heads/*:refs/remotes/origin/*")
    git(clone.path, "reset", "--quiet", "--hard", "origin/main")


# Over every transport


def test_a_good_push_is_accepted_and_objects_leave_the_quarantine(far: Clone) -> None:
    new = far.commit({"models/vans/model.yaml": "schema: 1\nname: vans\ndescription: grey\n"})
    said = far.push()
    assert said.accepted, said.words
    assert tip(far.server) == new


def test_a_file_that_does_not_match_its_schema_is_refused_with_words(far: Clone) -> None:
    before = tip(far.server)
    far.commit({"models/vans/model.yaml": "schema: 1\nname: vans\ncolour: grey\n"})
    said = far.push()
    assert not said.accepted
    assert "remote: refs/heads/main was not accepted:" in said.words
    assert (
        "models/vans/model.yaml" in said.words and "colour" in said.words and "[schema_matches]" in said.words
    )
    assert tip(far.server) == before


def test_a_reviewed_move_pushed_directly_is_told_to_be_proposed(far: Clone) -> None:
    far.commit(
        {STAGING: None, PRODUCTION: "schema: 1\nversions: [3]\n", ARCHIVED: "schema: 1\nversions: [2]\n"}
    )
    said = far.push()
    assert not said.accepted
    assert "bikes/production moves only by a reviewed proposal" in said.words
    assert "hint: propose it: muster promote ... --propose" in said.words


def test_the_merge_of_a_proposal_is_accepted(far: Clone) -> None:
    branch = proposed(far.server)
    fetch(far)
    new = far.merge(f"origin/{branch}")
    said = far.push()
    assert said.accepted, said.words
    assert tip(far.server) == new


# What the branch is never moved to


def test_a_manifest_that_was_edited_is_refused(clone: Clone) -> None:
    path = "models/bikes/versions/2.yaml"
    clone.commit({path: clone.replaced(path, "58.5", "8.5")})
    said = clone.push()
    assert not said.accepted
    assert "[version_is_immutable]" in said.words


def test_history_is_not_rewritten(clone: Clone) -> None:
    git(clone.path, "reset", "--quiet", "--hard", "main~1")
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: vans\n"})
    said = clone.push(force=True)
    assert not said.accepted
    assert "it would take away commits that others have seen" in said.words


def test_the_branch_is_not_deleted(clone: Clone) -> None:
    git(clone.server, "config", "receive.denyDeleteCurrent", "false")
    said = clone.push(":main")
    assert not said.accepted
    assert "the registry's branch is not deleted" in said.words


def test_a_wrong_commit_that_the_next_one_reverts_is_refused(clone: Clone) -> None:
    path = "models/bikes/versions/2.yaml"
    good = (clone.path / path).read_text()
    clone.commit({path: clone.replaced(path, "58.5", "8.5")})
    clone.commit({path: good})
    said = clone.push()
    assert not said.accepted
    assert "on the way" in said.words and "[version_is_immutable]" in said.words


def test_a_reviewed_move_that_the_next_commit_reverts_is_refused(clone: Clone) -> None:
    """History would remember that 3 was in production once, and let it back in as a rollback."""
    there = {name: (clone.path / name).read_text() for name in (STAGING, PRODUCTION)}
    clone.commit(
        {STAGING: None, PRODUCTION: "schema: 1\nversions: [3]\n", ARCHIVED: "schema: 1\nversions: [2]\n"}
    )
    clone.commit({**there, ARCHIVED: None})
    said = clone.push()
    assert not said.accepted
    assert "bikes/production moves only by a reviewed proposal (commit" in said.words


def test_policy_loosened_beside_a_promotion_is_refused(clone: Clone) -> None:
    clone.commit(
        {
            "registry.yaml": clone.replaced("registry.yaml", "review: true", "review: false"),
            STAGING: None,
            PRODUCTION: "schema: 1\nversions: [3]\n",
            ARCHIVED: "schema: 1\nversions: [2]\n",
        }
    )
    said = clone.push()
    assert not said.accepted
    assert "[policy_and_data_are_apart]" in said.words


def test_policy_loosened_in_the_commit_before_a_promotion_is_refused(clone: Clone) -> None:
    clone.commit({"registry.yaml": clone.replaced("registry.yaml", "review: true", "review: false")})
    clone.commit(
        {STAGING: None, PRODUCTION: "schema: 1\nversions: [3]\n", ARCHIVED: "schema: 1\nversions: [2]\n"}
    )
    said = clone.push()
    assert not said.accepted
    assert "[policy_and_data_are_apart]" in said.words


def test_what_guards_a_reviewed_stage_changes_by_review_only(clone: Clone) -> None:
    looser = clone.replaced("registry.yaml", "review: true", "review: false")
    clone.commit({"registry.yaml": looser})
    said = clone.push()
    assert not said.accepted
    assert "registry.yaml guards what is reviewed, and changes only by a reviewed proposal" in said.words
    git(clone.path, "branch", "proposals/looser")
    assert clone.push("proposals/looser").accepted
    git(clone.path, "reset", "--quiet", "--hard", "origin/main")
    clone.merge("proposals/looser")
    assert clone.push().accepted


def test_a_person_does_not_become_an_owner_of_an_approved_model_alone(clone: Clone) -> None:
    guard(clone.server, "approvals: 1")
    fetch(clone)
    path = "models/bikes/model.yaml"
    clone.commit({path: clone.replaced(path, "Ann Author <ann@example.com>", "Eve <eve@example.com>")})
    said = clone.push()
    assert not said.accepted
    assert f"{path} guards what is reviewed" in said.words


def test_a_symbolic_link_is_refused(clone: Clone) -> None:
    (clone.path / "models/vans/model.yaml").unlink()
    (clone.path / "models/vans/model.yaml").symlink_to("/etc/passwd")
    clone.commit({})
    said = clone.push()
    assert not said.accepted
    assert "this is a symbolic link" in said.words and "root:" not in said.words


def test_a_merge_of_two_good_sides_with_a_dangling_alias_is_refused(clone: Clone) -> None:
    git(clone.path, "checkout", "--quiet", "-b", "side")
    clone.commit({"models/vans/aliases/live.yaml": "schema: 1\nversion: 1\n"})
    git(clone.path, "checkout", "--quiet", "main")
    with Registry(clone.server) as registry:
        registry.delete("vans/1", reason="holds personal data")
    fetch(clone)
    clone.merge("side")
    said = clone.push()
    assert not said.accepted
    assert "models/vans/aliases/live.yaml" in said.words and "version 1 does not exist" in said.words


def test_a_merge_the_wrong_way_round_is_refused(clone: Clone) -> None:
    """Its first parent would become the registry's history, with states that main never had."""
    git(clone.path, "checkout", "--quiet", "-b", "side")
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: vans\ndescription: grey\n"})
    with Registry(clone.server) as registry:
        registry.tag("bikes", {"team": "rides"})
    git(clone.path, "fetch", "--quiet")
    clone.merge("origin/main")
    said = clone.push("side:main")
    assert not said.accepted
    assert "hint: git pull --rebase" in said.words


def test_two_thousand_new_manifests_are_judged_at_once(clone: Clone) -> None:
    files: dict[str, bytes] = {}
    for model in (f"fleet-{n}" for n in range(20)):
        files[names.path("model", model)] = manifest.dump({"schema": 1, "name": model}, "model")
        for number in range(1, 101):
            content = stored(f"{model}/{number}".encode())
            recorded = documents.manifest_to(manifest_of(model, content)) | {"version": number}
            files[names.path("version", model, number)] = manifest.dump(recorded, "version")
            output = dvcfile.DvcFile(content.oid, content.size, len(content.files), str(number))
            files[names.path("dvc", model, number)] = dvcfile.dump(output)
    new = clone.commit(files)
    said = clone.push()
    assert said.accepted, said.words
    assert tip(clone.server) == new
    bad = {names.path("model", f"fleet-{n}"): b"schema: 1\nname: fleet\n" for n in range(20)}
    clone.commit(
        {**bad, **{f"models/bikes/aliases/a{n}.yaml": b"schema: 1\nversion: 99\n" for n in range(20)}}
    )
    said = clone.push()
    assert not said.accepted
    assert said.words.count("[pointer_resolves]") == 20 and "remote:   and 20 more" in said.words


# Review on the server


def test_what_is_merged_must_be_a_proposal_the_server_has(clone: Clone) -> None:
    branch = proposed(clone.server)
    fetch(clone)
    git(clone.server, "update-ref", "-d", f"refs/heads/{branch}")
    clone.merge(f"origin/{branch}")
    said = clone.push(f"origin/{branch}:refs/heads/{branch}", "main")
    assert not said.accepted
    assert "what it merges is no proposal that the server has" in said.words


def test_a_merge_that_slips_something_else_in_is_refused(clone: Clone) -> None:
    branch = proposed(clone.server)
    fetch(clone)
    git(clone.path, "merge", "--quiet", "--no-ff", "--no-commit", f"origin/{branch}")
    (clone.path / "models/bikes/aliases/live.yaml").write_text("schema: 1\nversion: 1\n")
    clone.commit({}, "merge")
    said = clone.push()
    assert not said.accepted
    assert f"the merge differs from {branch} in models/bikes/aliases/live.yaml" in said.words


def test_a_proposal_is_merged_onto_what_came_since(clone: Clone) -> None:
    branch = proposed(clone.server)
    with Registry(clone.server) as registry:
        registry.tag("vans", {"team": "rides"})
    fetch(clone)
    clone.merge(f"origin/{branch}")
    said = clone.push()
    assert said.accepted, said.words


def test_a_merge_waits_for_as_many_approvals_as_policy_wants(clone: Clone) -> None:
    guard(clone.server, "approvals: 2")
    with Registry(clone.server) as registry:
        registry.annotate("bikes", owners=[BOB, CAT])
    branch = proposed(clone.server)
    fetch(clone)
    bob, bobs = clone.approve(branch, BOB)
    assert clone.push(f"{bob}:{bobs}").accepted
    clone.merge(f"origin/{branch}")
    said = clone.push()
    assert not said.accepted
    assert "it needs 2 approvals" in said.words and "has 1 by Bob Boss" in said.words
    cat, cats = clone.approve(branch, CAT)
    assert clone.push(f"{cat}:{cats}").accepted
    said = clone.push()
    assert said.accepted, said.words


def test_approvals_are_merged_along_and_do_not_make_their_givers_authors(clone: Clone) -> None:
    guard(clone.server, "approvals: 1")
    branch = proposed(clone.server)
    fetch(clone)
    with Registry(clone.server) as registry:
        registry.annotate("bikes", owners=[BOB])
    fetch(clone)
    bob, bobs = clone.approve(branch, BOB)
    assert clone.push(f"{bob}:{bobs}").accepted
    clone.merge(bob)
    said = clone.push()
    assert said.accepted, said.words


def test_the_tools_own_proposals_are_approved_and_merged_through_the_gate(clone: Clone) -> None:
    guard(clone.server, "approvals: 1")
    with Registry(clone.server) as registry:
        registry.annotate("bikes", owners=[BOB])
    fetch(clone)
    with Registry(clone.path) as registry:
        id = registry.propose(SetStage("bikes", 3, "production"), reason="better").branch
    with Registry(clone.path, author=BOB) as registry:
        assert [a.by for a in registry.proposals.approve(id).approvals or ()] == [BOB]
        merged = registry.proposals.merge(id)
    assert tip(clone.server) == merged.commit
    assert not git(clone.server, "for-each-ref", "refs/heads/proposals", "refs/muster/approvals")


def test_another_name_for_an_approved_proposal_takes_nothing_from_it(clone: Clone) -> None:
    guard(clone.server, "approvals: 1")
    with Registry(clone.server) as registry:
        registry.annotate("bikes", owners=[BOB])
    branch = proposed(clone.server)
    git(clone.server, "update-ref", "refs/heads/proposals/aaa", str(tip(clone.server, branch)))
    fetch(clone)
    bob, bobs = clone.approve(branch, BOB)
    assert clone.push(f"{bob}:{bobs}").accepted
    clone.merge(bob)
    said = clone.push()
    assert said.accepted, said.words


def test_who_wrote_a_proposal_does_not_approve_it(clone: Clone) -> None:
    guard(clone.server, "approvals: 1")
    branch = proposed(clone.server)
    fetch(clone)
    dan, dans = clone.approve(branch, "Dan Doer <dan@example.com>")
    assert clone.push(f"{dan}:{dans}").accepted
    clone.merge(f"origin/{branch}")
    said = clone.push()
    assert not said.accepted
    assert "the author's does not count" in said.words


def test_an_approval_is_void_after_the_next_push(clone: Clone) -> None:
    guard(clone.server, "approvals: 1")
    branch = proposed(clone.server)
    with Registry(clone.server) as registry:
        registry.annotate("bikes", owners=[BOB])
    fetch(clone)
    bob, bobs = clone.approve(branch, BOB)
    assert clone.push(f"{bob}:{bobs}").accepted
    git(clone.path, "checkout", "--quiet", "-B", branch, f"origin/{branch}")
    clone.commit({"models/vans/aliases/live.yaml": "schema: 1\nversion: 1\n"})
    git(clone.path, "push", "--quiet", "origin", branch)
    git(clone.path, "checkout", "--quiet", "main")
    clone.merge(branch)
    said = clone.push()
    assert not said.accepted
    assert "before the last push" in said.words


def test_a_rollback_enters_directly_with_a_reason(clone: Clone) -> None:
    branch = proposed(clone.server)
    fetch(clone)
    clone.merge(f"origin/{branch}")
    assert clone.push().accepted
    back = {PRODUCTION: "schema: 1\nversions: [2]\n", ARCHIVED: "schema: 1\nversions: [3]\n"}
    clone.commit(back, "go back")
    said = clone.push()
    assert not said.accepted and "a reason is required" in said.words
    git(clone.path, "commit", "--quiet", "--amend", "--message=go back\n\nMuster-Reason: alerts")
    said = clone.push()
    assert said.accepted, said.words


# Approvals, and who gives them


@pytest.fixture
def users(clone: Clone) -> Iterator[Clone]:
    """A clone whose server tells who pushes: bob, whom its list knows."""
    branch = proposed(clone.server)
    git(clone.server, "update-ref", "refs/heads/proposals/x", str(tip(clone.server, branch)))
    with git_http_server(clone.server.parent, {"bob": "secret", "eve": "secret"}) as running:
        fetch(clone)
        for user in running.users:
            git(clone.path, "remote", "add", user, running.url(clone.server.name, user))
        yield clone


def test_an_approval_is_the_pushers_own(users: Clone) -> None:
    (users.server / "muster-users").write_text(f"# who is who\nbob = {BOB}\neve = Eve <eve@example.com>\n")
    bob, ref = users.approve("proposals/x", BOB)
    said = users.push(f"{bob}:{ref}", remote="eve")
    assert not said.accepted
    assert "it is by bob@example.com, and the server does not know eve as that" in said.words
    assert users.push(f"{bob}:{ref}", remote="bob").accepted


def test_a_user_nobody_knows_approves_nothing(users: Clone) -> None:
    bob, ref = users.approve("proposals/x", BOB)
    said = users.push(f"{bob}:{ref}", remote="bob")
    assert not said.accepted
    assert "the server has no list that says who bob is" in said.words


def test_where_there_is_a_list_a_push_by_nobody_approves_nothing(users: Clone) -> None:
    (users.server / "muster-users").write_text(f"bob = {BOB}\n")
    bob, ref = users.approve("proposals/x", BOB)
    said = users.push(f"{bob}:{ref}")
    assert not said.accepted
    assert "the server does not tell who pushes it" in said.words


def test_a_variable_of_the_servers_own_says_who_pushes(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    install(str(clone.server), None, "WHO_PUSHES")
    (clone.server / "muster-users").write_text(f"bob = {BOB}\n")
    branch = proposed(clone.server)
    fetch(clone)
    bob, ref = clone.approve(branch, BOB)
    monkeypatch.setenv("WHO_PUSHES", "bob")
    said = clone.push(f"{bob}:{ref}")
    assert said.accepted, said.words


def test_an_approval_changes_nothing_and_names_its_giver(clone: Clone) -> None:
    branch = proposed(clone.server)
    fetch(clone)
    bob, _ = clone.approve(branch, BOB)
    _, cats = clone.approve(branch, CAT)
    said = clone.push(f"{bob}:{cats}")
    assert not said.accepted
    assert "its ref says somebody else" in said.words
    said = clone.push(f"main:{cats}")
    assert not said.accepted
    assert "one commit on what it approves, and change nothing" in said.words


# Other refs


def test_other_refs_enter_and_go_as_they_are(clone: Clone) -> None:
    clone.commit({"models/vans/model.yaml": "not: right\n"})
    for ref in ("refs/heads/proposals/mine", "refs/heads/wip", "refs/tags/v1"):
        assert clone.push(f"main:{ref}").accepted
        assert clone.push(f":{ref}").accepted


# The first push, and what goes wrong in the hook itself


def test_the_first_push_is_judged_as_a_registry_being_born(bare: Path, clone: Clone) -> None:
    install(str(bare), None, None)
    git(clone.path, "remote", "add", "new", str(bare))
    assert clone.push(remote="new").accepted
    assert tip(bare) == tip(clone.path)
    git(bare, "update-ref", "-d", "refs/heads/main")
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: lorries\n"})
    said = clone.push(remote="new")
    assert not said.accepted
    assert "says 'lorries', and lies at 'vans'" in said.words


def test_a_policy_that_cannot_be_read_lets_nothing_in(clone: Clone) -> None:
    publish(clone.server, {"registry.yaml": b"schema: 1\nname: my-models\nstages: [\n"})
    fetch(clone)
    clone.commit(
        {STAGING: None, PRODUCTION: "schema: 1\nversions: [3]\n", ARCHIVED: "schema: 1\nversions: [2]\n"}
    )
    assert not clone.push().accepted


def test_a_bug_in_the_hook_refuses_the_push(clone: Clone) -> None:
    code = "import muster.receiving; muster.receiving.receive = None"
    hook = (clone.server / "hooks/pre-receive").read_text()
    write_hook(
        clone.server, "pre-receive", hook.replace("from muster.frontends", f"{code}; from muster.frontends")
    )
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: vans\n"})
    said = clone.push()
    assert not said.accepted
    assert "this push could not be judged, so it is refused: TypeError" in said.words


def test_a_list_of_users_that_cannot_be_read_lets_nothing_in(clone: Clone) -> None:
    (clone.server / "muster-users").write_text("bob is Bob\n")
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: vans\n"})
    said = clone.push()
    assert not said.accepted
    assert "muster-users:1: write it as" in said.words


def test_nothing_is_written_into_the_repository_while_a_push_is_judged(clone: Clone) -> None:
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: lorries\n"})
    objects = sorted(str(p) for p in (clone.server / "objects").rglob("*"))
    assert not clone.push().accepted
    assert sorted(str(p) for p in (clone.server / "objects").rglob("*")) == objects


def test_another_branch_may_be_the_registrys(server: Path, tmp_path: Path) -> None:
    git(server, "update-ref", "refs/heads/live", str(tip(server)))
    install(str(server), "live", None)
    clone = Clone(clone_of(server, tmp_path / "clone"), server)
    clone.commit({"models/vans/model.yaml": "schema: 1\nname: lorries\n"})
    assert clone.push("main:main").accepted
    assert not clone.push("main:live").accepted


# Putting it there


def test_a_hook_of_somebody_elses_is_left_alone(bare: Path) -> None:
    write_hook(bare, "pre-receive", "exit 0")
    with pytest.raises(Refused, match="is another hook"):
        install(str(bare), None, None)
    assert (bare / "hooks/pre-receive").read_text() == "#!/bin/sh\nexit 0\n"


def test_ones_own_hook_is_written_again_and_runs_this_python(bare: Path) -> None:
    install(str(bare), "main", None)
    path = install(str(bare), None, None)
    text = path.read_text()
    assert sys.executable in text and "--branch" not in text
    assert os.access(path, os.X_OK)


def test_a_working_copy_takes_no_hook(work: Path) -> None:
    with pytest.raises(Refused, match="is a working copy"):
        install(str(work), None, None)


def test_a_hook_git_would_not_run_is_not_written(bare: Path) -> None:
    git(bare, "config", "core.hooksPath", "/etc/hooks")
    with pytest.raises(Refused, match="sends git to /etc/hooks"):
        install(str(bare), None, None)


def test_updates_are_read_as_git_writes_them() -> None:
    new, nothing = "a" * 40, "0" * 40
    lines = [f"{nothing} {new} refs/heads/main\n", f"{new} {nothing} refs/heads/x y\n"]
    assert read_updates(lines) == (Update(None, new, "refs/heads/main"), Update(new, None, "refs/heads/x y"))
    with pytest.raises(Invalid, match="no update of a ref"):
        read_updates(["hello\n"])


def test_a_list_of_users_names_people_by_their_addresses(tmp_path: Path) -> None:
    path = tmp_path / "muster-users"
    assert read_users(path) is None
    path.write_text(f"# people\n\nbob = {BOB}\n  bob={CAT}\n")
    assert read_users(path) == {"bob": (BOB, CAT)}
