"""What happened in a registry, as other programs take it: JSON, a chat's message, an Atom feed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import report

if TYPE_CHECKING:
    from ..core.history import Entry

_CHAT_ENTRIES, _CHAT_TEXT = 40, 500  # Slack takes 50 blocks of 3,000 characters; escaping makes one into five
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class News:
    """What happened from `base` to `head`, newest first, in the registry called `name`.

    `birth` is its first commit, which tells it from every other; `at` when the news were read: UTC, RFC 3339.
    """

    name: str
    birth: str
    base: str
    head: str
    at: str
    entries: Sequence[Entry]

    @property
    def id(self) -> str:
        """What these news are known by, however often they are told."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.birth} {self.base} {self.head}"))


def text(news: News) -> str:
    """Return news as `muster history` prints them."""
    return "\n".join(report.history_lines(news.entries))


def as_json(news: News) -> str:
    """Return news as one JSON object."""
    return report.to_json(
        {
            "registry": news.name,
            "id": news.birth,
            "base": news.base,
            "head": news.head,
            "entries": news.entries,
        }
    )


def slack(news: News) -> str:
    """Return news as a message for Slack, and for the chats that take Slack's messages."""
    name = _chat(news.name)
    told = [f"*{_chat(_headline(entry))}*\n{_chat(_below(entry))}" for entry in news.entries[:_CHAT_ENTRIES]]
    if more := len(news.entries) - len(told):
        told.append(f"and {more} earlier change{'s' * (more != 1)}")
    headline = _chat(_headline(news.entries[0])) if news.entries else "nothing happened"
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": words}} for words in told]
    return report.to_json({"text": f"{name}: {headline}", "blocks": blocks} if blocks else {"text": name})


def atom(news: News) -> str:
    """Return news as an Atom feed (RFC 4287)."""
    from xml.etree import ElementTree

    feed = ElementTree.Element("feed", xmlns=_ATOM)
    name = f"tag:muster,2026:{news.birth}"  # RFC 4151; the commits make it one of a kind

    def put(parent: ElementTree.Element, tag: str, words: str) -> ElementTree.Element:
        child = ElementTree.SubElement(parent, tag)
        child.text = report.safe(words, lines=True)
        return child

    put(feed, "id", name)
    put(feed, "title", news.name)
    put(feed, "updated", news.entries[0].at if news.entries else news.at)
    for told in news.entries:
        entry = ElementTree.SubElement(feed, "entry")
        put(entry, "id", f"{name}/{told.commit}")
        put(entry, "title", _headline(told))
        put(entry, "updated", told.at)
        put(ElementTree.SubElement(entry, "author"), "name", told.author.partition(" <")[0] or "unknown")
        put(entry, "content", "\n".join([*map(str, told.events), _below(told)])).set("type", "text")
    ElementTree.indent(feed)
    return ElementTree.tostring(feed, encoding="unicode", xml_declaration=False)


FORMATS: Mapping[str, tuple[str, Callable[[News], str]]] = {
    "text": ("text/plain; charset=utf-8", text),
    "json": ("application/json", as_json),
    "slack": ("application/json", slack),
    "atom": ("application/atom+xml; charset=utf-8", atom),
}


def _headline(entry: Entry) -> str:
    first, *more = [str(event) for event in entry.events] or [entry.subject]
    return f"{first}, and {len(more)} more" if more else first


def _below(entry: Entry) -> str:
    because = f", because: {entry.reason}" if entry.reason else ""
    return f"{entry.author.partition(' <')[0]}, {entry.at}, {entry.commit[:12]}{because}"


def _chat(words: str) -> str:
    """Return words in which a chat sees no mention, link or markup: `<!channel>` would call everybody.

    Source: docs.slack.dev "Formatting message text": &, < and > are to be escaped.
    """
    shown = report.safe(words)
    shown = shown if len(shown) <= _CHAT_TEXT else f"{shown[: _CHAT_TEXT - 3]}..."
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
