"""Markdown as a forge shows it: rendered by GitHub's own parser, and by another one, and read back from the HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt

_EMPTY = {"br", "hr", "img", "input"}
_BLOCKS = {"p", "li", "td", "th", "pre"}


def github(text: str) -> str:
    """Render with cmark-gfm and everything GitHub adds to CommonMark. Raw HTML is kept, so that it is seen."""
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    html: str = cmarkgfm.markdown_to_html_with_extensions(
        text, options, ["table", "autolink", "strikethrough", "tasklist"]
    )
    return html


def other(text: str) -> str:
    """Render with markdown-it, as an editor or another forge might."""
    html: str = MarkdownIt("gfm-like", {"html": True, "linkify": True}).render(text)
    return html


RENDERERS: tuple[Callable[[str], str], ...] = (github, other)


@dataclass
class Page(HTMLParser):
    """What a browser would make of HTML: its elements, its comments, and its text, in code and elsewhere.

    `blocks` are the texts of each paragraph, list item, cell and heading, in code or not.
    """

    html: str
    elements: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    prose: str = ""
    blocks: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _EMPTY:
            self.unclosed.append(tag)
        if tag == "code":
            self.code.append("")
        if tag in _BLOCKS:
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag, f"</{tag}> closes something else"

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if _BLOCKS & set(self.unclosed):
            self.blocks[-1] += data
        if "code" in self.unclosed:
            self.code[-1] += data
        else:
            self.prose += data

    def __hash__(self) -> int:
        return id(self)
