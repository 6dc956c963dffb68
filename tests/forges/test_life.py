"""The life of a proposal, the same on every forge."""

from __future__ import annotations

import pytest

from muster.core.errors import Conflict, Invalid, NotFound, Refused
from muster.core.proposals import Review
from support.forges.server import Canned

MARKER = "<!-- muster -->"


@pytest.mark.slow
def test_a_proposal_is_opened_discussed_approved_and_merged(world):
    ann, bob = world.ask("ann"), world.ask("bob")
    opened = ann.open("proposals/a", "main", "Promote a", "because")
    head, base = world.tip("proposals/a"), world.tip()
    assert (opened.branch, opened.target, opened.head) == ("proposals/a", "main", head)
    assert (opened.state, opened.author, opened.title) == ("open", "@ann", "Promote a")
    assert [p.id for p in bob.proposals()] == [opened.id]

    first = ann.comment(opened.id, "one", MARKER)
    assert ann.comment(opened.id, "two", MARKER) == first
    assert [c.body for c in world.repository.pulls[int(opened.id)].comments] == [f"{MARKER}\ntwo"]

    bob.approve(opened.id, head)
    seen = ann.proposal(opened.id)
    assert [(a.by, a.head, a.bot) for a in seen.approvals or ()] == [("@bob", head, False)]
    assert Review(head, (seen.author,), seen.approvals or ()).tally(["@bob"]).counted

    commit = ann.merge(opened.id, head, base, "Promote a\n\nbecause")
    assert world.tip() == commit
    assert world.repository.git("log", "-1", "--format=%B", commit) == "Promote a\n\nbecause"
    assert world.repository.git("rev-parse", f"{commit}^1", f"{commit}^2").split() == [base, head]
    assert ann.proposal(opened.id).state == "merged"
    assert ann.proposals() == []
    assert world.repository.tip("proposals/a") is None


@pytest.mark.slow
def test_opening_it_again_changes_the_title_and_the_body(world):
    ann = world.ask("ann")
    first = ann.open("proposals/a", "main", "one", "1")
    head = world.push("proposals/a", content="more")
    again = ann.open("proposals/a", "main", "two", "2")
    assert (again.id, again.title, again.head) == (first.id, "two", head)
    assert world.repository.pulls[int(first.id)].body == "2"


@pytest.mark.slow
def test_proposals_are_listed_newest_first_and_by_branch(world):
    ann = world.ask("ann")
    world.push("proposals/b", "b")
    world.push("topic", "c")
    made = [ann.open(branch, "main", branch, "") for branch in ("proposals/a", "proposals/b", "topic")]
    assert [p.branch for p in ann.proposals()] == ["topic", "proposals/b", "proposals/a"]
    assert [p.id for p in ann.proposals("proposals/b")] == [made[1].id]
    assert all(p.approvals is None for p in ann.proposals())


@pytest.mark.slow
def test_closing_it_deletes_its_branch_and_no_other(world):
    ann = world.ask("ann")
    world.push("topic", "c")
    for branch, left in (("proposals/a", False), ("topic", True)):
        opened = ann.open(branch, "main", branch, "")
        ann.close(opened.id)
        assert ann.proposal(opened.id).state == "closed"
        assert (world.repository.tip(branch) is not None) is left
        assert ann.proposals() == []


@pytest.mark.slow
def test_it_is_closed_where_its_branch_is_gone_already(world):
    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    world.repository.git("update-ref", "-d", "refs/heads/proposals/a")
    ann.close(opened.id)
    assert ann.proposal(opened.id).state == "closed"


@pytest.mark.slow
def test_a_push_after_the_approval_leaves_it_with_the_older_commit(world):
    ann, bob = world.ask("ann"), world.ask("bob")
    opened = ann.open("proposals/a", "main", "a", "")
    bob.approve(opened.id, opened.head)
    head = world.push("proposals/a", content="more")
    seen = ann.proposal(opened.id)
    assert seen.head == head
    assert [a.head for a in seen.approvals or ()] == [opened.head]
    assert Review(head, (), seen.approvals or ()).tally([]).counted == ()
    bob.approve(opened.id, head)
    assert [a.head for a in ann.proposal(opened.id).approvals or ()] == [head]


@pytest.mark.slow
def test_what_has_moved_on_is_neither_approved_nor_merged(world):
    ann, bob = world.ask("ann"), world.ask("bob")
    opened = ann.open("proposals/a", "main", "a", "")
    base, head = world.tip(), world.push("proposals/a", content="more")
    with pytest.raises(Conflict, match="moved on"):
        bob.approve(opened.id, opened.head)
    with pytest.raises(Conflict, match="moved on"):
        ann.merge(opened.id, opened.head, base, "a")
    world.push("main", "other")
    with pytest.raises(Conflict, match="main has moved on"):
        ann.merge(opened.id, head, base, "a")
    assert ann.proposal(opened.id).state == "open"


@pytest.mark.slow
def test_what_is_pushed_between_the_look_and_the_merge_is_not_merged(world):
    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    base, looked = world.tip(), world.answer(opened.id)
    world.push("proposals/a", content="more")
    world.server.canned.append(Canned(200, looked))
    with pytest.raises(Conflict, match="moved on"):
        ann.merge(opened.id, opened.head, base, "a")
    assert world.tip() == base


@pytest.mark.slow
def test_a_red_status_keeps_it_from_being_merged_and_a_green_one_does_not(world):
    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    world.repository.statuses[opened.head] = {"muster": "failure"}
    with pytest.raises(Refused, match="does not merge"):
        ann.merge(opened.id, opened.head, world.tip(), "a")
    world.repository.statuses[opened.head] = {"muster": "success"}
    assert ann.merge(opened.id, opened.head, world.tip(), "a") == world.tip()


@pytest.mark.slow
def test_what_is_merged_or_closed_is_not_merged_again(world):
    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    ann.merge(opened.id, opened.head, world.tip(), "a")
    with pytest.raises(Conflict, match="is merged"):
        ann.merge(opened.id, opened.head, world.tip(), "a")


@pytest.mark.slow
def test_it_is_squashed_where_merge_commits_are_not_allowed(world):
    world.repository.methods = ("squash",)
    ann, base = world.ask("ann"), world.tip()
    opened = ann.open("proposals/a", "main", "a", "")
    commit = ann.merge(opened.id, opened.head, base, "Promote a")
    assert world.repository.git("rev-parse", f"{commit}^@") == base


@pytest.mark.slow
def test_its_author_cannot_approve_it(world):
    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    with pytest.raises(Refused, match="does not take"):
        ann.approve(opened.id, opened.head)


@pytest.mark.slow
def test_who_may_only_read_is_refused_and_sees(world):
    opened = world.ask("ann").open("proposals/a", "main", "a", "")
    eve = world.ask("eve")
    assert eve.proposal(opened.id).id == opened.id
    with pytest.raises(Refused):
        eve.open("proposals/a", "main", "mine", "")
    with pytest.raises(Refused):
        eve.close(opened.id)
    with pytest.raises(Refused):
        eve.merge(opened.id, opened.head, world.tip(), "a")


@pytest.mark.slow
def test_the_yes_of_somebody_who_may_not_write_is_none(world):
    opened = world.ask("ann").open("proposals/a", "main", "a", "")
    try:
        world.ask("eve").approve(opened.id, opened.head)
    except Refused:
        assert world.kind == "gitlab"
    assert world.ask("ann").proposal(opened.id).approvals == ()


@pytest.mark.slow
def test_a_bots_approval_is_marked_as_one(world):
    opened = world.ask("ann").open("proposals/a", "main", "a", "")
    world.ask(world.bot).approve(opened.id, opened.head)
    (approval,) = world.ask("ann").proposal(opened.id).approvals or ()
    assert (approval.by, approval.bot) == (f"@{world.bot}", True)
    assert Review(opened.head, (), (approval,)).tally([]).counted == ()


@pytest.mark.slow
def test_nobody_elses_comment_is_edited_though_it_begins_alike(world):
    opened = world.ask("ann").open("proposals/a", "main", "a", "")
    comments = world.repository.pulls[int(opened.id)].comments
    world.ask("bob").comment(opened.id, "bob's", MARKER)
    world.ask("ann").comment(opened.id, f"he wrote {MARKER}", "> quoted")
    world.ask("ann").comment(opened.id, "ann's", MARKER)
    world.ask("ann").comment(opened.id, "ann's, later", MARKER)
    assert [(c.author, c.body) for c in comments] == [
        ("bob", f"{MARKER}\nbob's"),
        ("ann", f"> quoted\nhe wrote {MARKER}"),
        ("ann", f"{MARKER}\nann's, later"),
    ]


@pytest.mark.slow
def test_a_token_that_may_not_ask_who_it_is_finds_its_comment_again(world):
    opened = world.ask("ann").open("proposals/a", "main", "a", "")
    world.ask("ann").comment(opened.id, "ann's", MARKER)
    bot = world.ask(world.bot)
    assert bot.comment(opened.id, "one", MARKER) == bot.comment(opened.id, "two", MARKER)
    comments = world.repository.pulls[int(opened.id)].comments
    assert [c.author for c in comments] == ["ann", world.bot]


@pytest.mark.slow
def test_a_comment_is_found_among_more_than_a_page_of_them(world):
    from support.forges.state import Comment

    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    comments = world.repository.pulls[int(opened.id)].comments
    comments.extend(Comment(world.repository.next(), "bob", f"talk {n}") for n in range(101))
    ann.comment(opened.id, "one", MARKER)
    ann.comment(opened.id, "two", MARKER)
    assert len(comments) == 102 and comments[-1].body == f"{MARKER}\ntwo"


@pytest.mark.slow
def test_a_forks_branch_is_told_from_ours_and_never_deleted(world):
    head = world.tip("proposals/a")
    pull = world.repository.open("eve", "proposals/a", "main", "from a fork", "", fork="eve", head=head)
    ann = world.ask("ann")
    (there,) = ann.proposals()
    assert there.branch.endswith(":proposals/a") and there.head == head
    assert ann.proposals("proposals/a") == []
    assert ann.open("proposals/a", "main", "ours", "").id != there.id
    ann.close(str(pull.number))
    assert world.repository.tip("proposals/a") == head


@pytest.mark.slow
def test_what_is_not_there_is_not_found(world):
    ann = world.ask("ann")
    with pytest.raises(NotFound, match="or your token may not see it"):
        ann.proposal("99")
    for odd in ("", "a", "1/../2", "１", "1?x"):
        with pytest.raises(NotFound, match="no proposal"):
            ann.proposal(odd)


@pytest.mark.slow
def test_a_branch_that_is_not_there_cannot_be_proposed(world):
    with pytest.raises((Invalid, NotFound)):
        world.ask("ann").open("proposals/none", "main", "a", "")


@pytest.mark.slow
def test_a_token_that_is_not_accepted_is_said_to_be_and_not_shown(world):
    place = world.place()
    from muster.backends.forges import connect

    with pytest.raises(Refused, match="does not accept the token") as raised:
        connect(place, "expired-secret", env={}).proposals()
    assert "expired-secret" not in f"{raised.value}{raised.value.hint}"
