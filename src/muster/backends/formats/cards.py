"""The headings of a model card: what CommonMark calls ATX and setext headings, outside code, comments and front matter.

Only headings are read, and only so much of a file as a person would: nothing else of Markdown has a meaning here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .reading import MAX_TEXT, head, is_file

MAX_SECTIONS = 200
MAX_HEADING = 250  # characters of one

_ATX = re.compile(r" {0,3}#{1,6}(?=[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
_BREAK = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})")
_ELSEWHERE = re.compile(r" {4}| {0,3}(?:\t|>|<|[-+*](?:[ \t]|$)|[0-9]{1,9}[.)](?:[ \t]|$))")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()]*\)")


def sections(path: Path) -> tuple[str, ...]:
    """Return the texts of the headings in a Markdown file, in order, at most so many; none if it is no plain file.

    What comes after its first megabyte is not read, and what is not UTF-8 is read as the replacement character.
    """
    if not is_file(path):
        return ()
    text = head(path, MAX_TEXT).decode("utf-8-sig", errors="replace")
    found: list[str] = []
    for raw in _headings(_without_front_matter(text.splitlines())):
        if heading := _plain(raw):
            found.append(heading)
        if len(found) == MAX_SECTIONS:
            break
    return tuple(found)


def _without_front_matter(lines: list[str]) -> list[str]:
    """The lines below the YAML that stands between `---` and `---` at a file's very top."""
    if lines and lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], 1):
            if line.rstrip() in ("---", "..."):
                return lines[number + 1 :]
    return lines


def _headings(lines: Iterable[str]) -> Iterator[str]:
    """Yield the raw text of each heading."""
    paragraph: list[str] = []  # what an underline would make a heading
    elsewhere = False  # in a list, a quotation or HTML, whose text an underline makes none
    fence, in_comment = "", False
    for line in lines:
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif in_comment:
            in_comment = "-->" not in line
        elif not line.strip():
            paragraph, elsewhere = [], False
        elif match := _FENCE.match(line):
            fence, paragraph = match["fence"], []
        elif line.lstrip().startswith("<!--"):
            in_comment, paragraph = "-->" not in line.partition("<!--")[2], []
        elif match := _ATX.match(line):
            yield _without_closing(line[match.end() :])
            paragraph, elsewhere = [], False
        elif paragraph and _UNDERLINE.fullmatch(line):
            yield " ".join(paragraph)
            paragraph = []
        elif _BREAK.fullmatch(line):
            paragraph, elsewhere = [], False
        elif elsewhere or (_ELSEWHERE.match(line) and not (paragraph and line.startswith("    "))):
            paragraph, elsewhere = [], True
        else:
            paragraph.append(line.strip())


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return len(text) >= len(fence) and set(text) == {fence[0]} and not line.startswith("    ")


def _without_closing(text: str) -> str:
    """A heading's text without the #s that may close it."""
    text = text.strip(" \t")
    bare = text.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else text


def _plain(text: str) -> str:
    """A heading as it is shown: links by their words, no emphasis around it, nothing invisible, not too long."""
    shown = _LINK.sub(r"\1", text[: 10 * MAX_HEADING]).replace("`", "").strip(" \t*_")
    return " ".join("".join(c if c.isprintable() else " " for c in shown).split())[:MAX_HEADING]
