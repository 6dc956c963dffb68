"""`muster events`: what happened between two commits, for people, programs, chats and feed readers."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import feedparser
import pytest

from muster import Conflict, Registry
from muster.frontends.cli import run
from support.cli import bikes
from support.gitcli import git
from support.receiver import receiver

HOSTILE = '<!channel> & <https://evil.example|click> "]]>\u202e'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The registry of bikes, with one reason more that somebody ill-disposed wrote."""
    path = bikes(tmp_path)
    with Registry(path) as registry:
        registry.set_alias("champion", "bikes/1", reason=HOSTILE)
    monkeypatch.chdir(path)
    return path


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(["events", *args]) == 0
    return capsys.readouterr().out


def test_what_happened_is_told_newest_first(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "HEAD~2..HEAD").splitlines()
    told = [line.strip() for line in lines if "bikes" in line or "vans" in line]
    assert told == ["bikes: @champion 3 -> 1", "vans: registered 1", "vans: created"]


def test_a_range_is_the_same_commits_that_git_counts(server: Path) -> None:
    with Registry(server) as registry:
        found = [entry.commit for entry in registry.happened("HEAD~3", "HEAD")]
    assert found == git(server, "rev-list", "HEAD~3..HEAD").split()


def test_a_past_that_was_replaced_is_said_to_be(server: Path) -> None:
    with Registry(server) as registry, pytest.raises(Conflict, match="does not descend"):
        list(registry.happened("HEAD", "HEAD~1"))


def test_as_json_each_commit_is_told_with_who_when_and_why(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(said(capsys, "HEAD~1..", "--format", "json"))
    (entry,) = told["entries"]
    assert entry["author"] == "Ann Author <ann@example.com>"
    assert entry["commit"] == told["head"] == git(server, "rev-parse", "HEAD")
    assert entry["events"][0] | {"details": {}} == {
        "kind": "alias_set",
        "text": "bikes: @champion 3 -> 1",
        "model": "bikes",
        "name": "champion",
        "gained": [1],
        "lost": [3],
        "details": {},
    }


def test_to_a_chat_nobody_can_write_mentions_or_links(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, "HEAD~1..", "--format", "slack")
    message = json.loads(told)
    assert message["text"] == "server: bikes: @champion 3 -&gt; 1"
    (block,) = message["blocks"]
    assert block["type"] == "section"
    assert block["text"]["type"] == "mrkdwn"
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;" in block["text"]["text"]
    assert "<" not in told
    assert "\u202e" not in told


@pytest.mark.slow
def test_a_chat_gets_no_more_than_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Registry.create(tmp_path / "r.git", bare=True) as registry:
        (tmp_path / "m").write_bytes(b"x")
        registry.register("a", tmp_path / "m")
        for number in range(60):
            registry.tag("a/1", {"n": str(number)}, reason="&" * 2000)
    monkeypatch.chdir(tmp_path / "r.git")
    message = json.loads(said(capsys, "HEAD~60..", "--format", "slack"))
    assert len(message["blocks"]) <= 50
    assert max(len(block["text"]["text"]) for block in message["blocks"]) <= 3000
    assert message["blocks"][-1]["text"]["text"] == "and 20 earlier changes"


def test_the_feed_is_what_rfc_4287_asks_for_and_a_feed_reader_reads_it(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "HEAD~2..", "--format", "atom")
    feed = ElementTree.fromstring(text)
    atom = "{http://www.w3.org/2005/Atom}"
    for element in (feed, *feed.findall(f"{atom}entry")):
        for required in ("id", "title", "updated"):
            assert len(element.findall(f"{atom}{required}")) == 1
    read = feedparser.parse(text)
    assert not read.bozo
    assert read.feed.title == "server"
    assert [e.title for e in read.entries] == ["bikes: @champion 3 -> 1", "vans: registered 1, and 1 more"]
    first = git(server, "rev-list", "--max-parents=0", "HEAD")
    tip = git(server, "rev-parse", "HEAD")
    assert read.entries[0].id == f"tag:muster,2026:{first}/{tip}"
    assert '<!channel> & <https://evil.example|click> "]]>' in ElementTree.fromstring(text)[3][4].text


def test_a_range_in_which_nothing_happened_is_an_empty_feed(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = feedparser.parse(said(capsys, "HEAD..HEAD", "--format", "atom"))
    assert (read.bozo, read.entries) == (False, [])
    assert read.feed.updated


def test_the_same_news_have_the_same_name_however_often_they_are_posted(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as there:
        monkeypatch.setenv("MUSTER_WEBHOOK_URL", there.url)
        assert [run(["events", r, "--post"]) for r in ("HEAD~1..", "HEAD~1..HEAD", "HEAD~2..")] == [0, 0, 0]
    names = [r.headers["x-muster-delivery"] for r in there.requests]
    assert names[0] == names[1] != names[2]
    assert json.loads(there.requests[0].body)["entries"][0]["reason"].startswith("<!channel>")


@pytest.mark.parametrize(
    ("format", "code", "key"), [("slack", 0, "blocks"), ("", 0, "entries"), ("morse", 5, "")]
)
def test_what_the_webhook_takes_is_a_setting_of_its_own(
    server: Path, monkeypatch: pytest.MonkeyPatch, format: str, code: int, key: str
) -> None:
    monkeypatch.setenv("MUSTER_WEBHOOK_FORMAT", format)
    with receiver() as there:
        monkeypatch.setenv("MUSTER_WEBHOOK_URL", there.url)
        assert run(["events", "HEAD~1..", "--post"]) == code
    assert [key in json.loads(request.body) for request in there.requests] == [True] * (code == 0)


def test_nothing_is_posted_where_nothing_happened(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as there:
        monkeypatch.setenv("MUSTER_WEBHOOK_URL", there.url)
        assert run(["events", "HEAD..HEAD", "--post"]) == 0
    assert there.requests == []


@pytest.mark.parametrize("range", ["HEAD", "..HEAD", "HEAD...HEAD"])
def test_what_is_no_range_is_said_to_be(server: Path, range: str) -> None:
    assert run(["events", range]) == 2
