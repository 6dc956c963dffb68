"""Whatever somebody writes into a registry, a report shows it as what it is, and does nothing else with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muster.core.brief import Approvals, Brief, GateChange, Move, Registered, Row
from muster.core.demands import EvaluationDemand
from muster.core.errors import Finding
from muster.core.events import Event
from muster.core.plans import Assessment, Plan
from muster.core.policy import Gate, Pointer
from muster.core.proposals import Approval, Tally
from muster.core.snapshot import EMPTY, Change
from muster.core.undo import Undo
from muster.frontends.report import safe
from muster.frontends.reports import FORMATS, markdown, report
from support.assessments import BASE, HEAD, HOSTILE, SCENARIOS, hostile
from support.rendering import RENDERERS, Page

ELEMENTS = {
    "p",
    "strong",
    "code",
    "pre",
    "ul",
    "li",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
ATTRIBUTES = {("align", "right"), ("style", "text-align:right"), ("class", "language-sh"), ("align", "left")}
WORDS = re.compile(r"[A-Za-z0-9 \n.,:;()%+\-→✅❌⏳|_/*=>']*")
MENTION = re.compile(r"@[A-Za-z0-9]")  # wider than GitHub's rule, which wants no letter before it
REFERENCE = re.compile(r"#\d|GH-\d|\b[0-9a-f]{7,40}\b|://|www\.")

SNIPPETS = [
    "@octocat", "#1", "GH-1", "org/repo#1", "https://evil.example", "www.evil.example", "a@evil.example", "mailto:a@b.c",
    "`", "``", "```", "~~~", "|", "\\", "\\|", "`|`", "**", "_", "~~", "<b>", "</details>", "</summary>", "<!--", "-->", "<img src=x>",
    "![i](x)", "[l](u)", "[^1]", "[^1]: x", "&lt;", "&#64;", "$`x`$", "$$", ":+1:", "\n", "\r\n", "\n\n# h", "\n- l", "\n---\n", "\t", "    x",
    "::error::x", "##[error]x", "%0A::error::", "\x1b[31m", "\x07", "\x00", "\u202e", "\u200b", "\u2028", "\ud800", "é", "日本", "🚲",
    "0123456789abcdef0123456789abcdef01234567", " ", "  ", "/close", "- [x] t", "\n/merge\n",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=5), max_size=12).map("".join)
NAMES = TEXTS.filter(bool)


@pytest.mark.parametrize("render", RENDERERS)
@settings(max_examples=400, deadline=None)
@given(text=TEXTS)
def test_any_text_comes_back_as_it_was_wherever_it_is_shown(render: Callable[[str], str], text: str) -> None:
    span = markdown.code(text, 10_000)
    listed = Page(render(f"- {span}\n"))
    assert listed.blocks[0].strip("\n") == safe(text)
    bold = Page(render(f"**x {span} y**\n"))
    assert bold.blocks[0].strip("\n") == f"x {safe(text)} y" and "strong" in bold.elements
    table = Page(render(f"| {span} | b |\n| --- | ---: |\n| {span} | {span} |\n"))
    assert table.blocks[-4:] == [safe(text), "b", safe(text), safe(text)]
    for page in (listed, bold, table):
        assert set(page.elements) <= ELEMENTS and page.unclosed == []
        assert not page.prose.strip("|bxy \n")


def row(text: str) -> st.SearchStrategy[Row]:
    values = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.just(text)
    kinds = st.sampled_from(["metric", "tag", "evaluation", "format"])
    return st.builds(
        Row,
        kinds,
        st.just(text),
        values,
        values,
        st.none(),
        st.none(),
        st.just(text),
        st.sampled_from([True, False, None]),
    )


@st.composite
def briefs(draw: st.DrawFn) -> Brief:
    """A brief in which every text that can come from outside is any text."""
    texts = draw(st.lists(NAMES, min_size=8, max_size=8))
    a, b, c, d, e, f, g, h = texts
    approval = Approval(c, HEAD)
    pointer = Pointer(draw(st.sampled_from(["alias", "stage"])), a, b)
    rows = tuple(
        r if r.kind != "metric" else replace(r, gate="") for r in draw(st.lists(row(d), max_size=12))
    )
    undo = (Undo(("muster", "rollback", str(pointer), "--to", "2"), gated=True),)
    move = Move(pointer, (1,), (2,), (2,), (1,), False, 2, 1, rows, "incompatible", (e, f), False, undo)
    asked = Approvals(a, 2, (c, g), (g,), Tally((approval,), ((approval, h),)))
    findings = tuple(Finding(b, c, d, n, n, e) for n in range(draw(st.integers(0, 30))))
    events = tuple(Event("file_changed", text) for text in texts)
    new = Registered(a, 1, b, (c, d), 5, 1, e, {f: 1.0, g: 2.0})
    gate = GateChange("stage", a, b, Gate(tags={c: d}), Gate(evaluations=(EvaluationDemand(e),)))
    assessment = Assessment(Plan(EMPTY, Change({}), EMPTY, events, findings), BASE, HEAD, (f, g))
    turn = draw(st.sampled_from(["author", "reviewers", "merger", "nobody"]))
    return Brief(assessment, (move,), (new,), (gate,), (asked,), findings, turn)


def seen_as_written(text: str, render: Callable[[str], str]) -> Page:
    """The page that a report makes, with nothing on it but what the template puts there."""
    page = Page(render(text))
    assert set(page.elements) <= ELEMENTS and set(page.attributes) <= ATTRIBUTES
    assert page.unclosed == []
    assert page.comments in ([], [" muster "])
    assert WORDS.fullmatch(page.prose), sorted(set(re.sub(WORDS, "", page.prose)))
    assert not MENTION.search(page.prose) and not REFERENCE.search(page.prose)
    return page


@pytest.mark.slow
@pytest.mark.parametrize("render", RENDERERS)
@settings(max_examples=150, deadline=None)
@given(found=briefs())
def test_a_comment_has_no_element_link_or_mention_that_the_template_does_not_make(
    render: Callable[[str], str], found: Brief
) -> None:
    text = markdown.comment(found)
    assert text.startswith(f"{markdown.MARKER}\n")
    assert not [line for line in text.splitlines() if line.lstrip().startswith(("::", "/"))]
    assert "##[" not in text
    seen_as_written(text, render)


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_kind_of_report_is_seen_as_written(name: str, render: Callable[[str], str]) -> None:
    seen_as_written(markdown.report(SCENARIOS[name]()), render)
    seen_as_written(markdown.proposed_body(SCENARIOS[name]().plan, HOSTILE), render)


@pytest.mark.parametrize("format", FORMATS)
def test_no_report_makes_a_terminal_or_a_runner_do_anything(format: str) -> None:
    control = "".join(SNIPPETS)
    findings = tuple(Finding(control, "gates_pass", control, 3, 4, control) for _ in range(12))
    assessment = hostile()
    events = (Event("file_changed", control),)
    text = report(
        replace(assessment, plan=replace(assessment.plan, findings=findings, events=events)), format
    )
    text.encode()
    assert not set(text) & set("\x1b\x07\x00\r\u202e\u200b\u2028")
    commands = [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert len(commands) == (11 if format == "github" else 0)


def test_a_command_of_the_runner_is_one_line_whatever_is_in_it() -> None:
    finding = Finding("a,b:c%\n::x", "r,:", "50% of\r\n::error::it", 3, 0, "do: this, then")
    assessment = hostile()
    line = report(replace(assessment, plan=replace(assessment.plan, findings=(finding,))), "github")
    assert line == (
        "::error file=a%2Cb%3Ac%25\\n%3A%3Ax,line=3,title=r%2C%3A::50%25 of\\r%0A\\x3a:error::it%0Ado: this, then\n"
    )


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(text=NAMES, count=st.integers(1, 3000), length=st.integers(1, 2000))
@example("|", 9, 371)
@example("`", 1, 80)
@example("`", 3000, 2000)
def test_a_comment_fits_whatever_comes_and_says_what_it_leaves_out(
    text: str, count: int, length: int
) -> None:
    long = (text * length)[:length]
    found = crowded(long, count)
    comment = markdown.comment(found)
    assert len(comment.encode()) <= markdown.LIMIT
    assert comment.startswith(markdown.MARKER) and comment.endswith(f"policy of base `{BASE}`.\n")
    page = seen_as_written(comment, RENDERERS[0])
    shown = sum("To mend it" in block for block in page.blocks)
    left_out = re.search(r"\*\*Findings\*\*\n\n(?:- `.*\n)*- and (\d+) more", comment)
    assert shown <= count and (left_out is None or int(left_out[1]) + markdown.MAX_FINDINGS >= count - shown)


def crowded(text: str, count: int) -> Brief:
    """A brief with `count` of everything."""
    pointers = [Pointer("stage", f"{text}{n}", text) for n in range(min(count, 50))]
    rows = tuple(Row("tag", f"{text}{n}", text, text, None, None, text, False) for n in range(count))
    undo = (Undo(("muster", "rollback", text, "--to", "2"), gated=True),)
    moves = tuple(
        Move(
            p,
            tuple(range(count)),
            (2,),
            (2,),
            (1,),
            False,
            2,
            1,
            rows,
            "incompatible",
            (text,) * count,
            False,
            undo,
        )
        for p in pointers
    )
    approval = Approval(text, HEAD)
    tally = Tally((approval,) * count, ((approval, text),) * count)
    asked = tuple(Approvals(p.model, count + 1, (text,) * count, (text,) * count, tally) for p in pointers)
    findings = tuple(Finding(text, text, f"{text}{n}", 1, 1, text) for n in range(count))
    events = tuple(Event("file_changed", f"{text}{n}") for n in range(count))
    metrics = {f"{text}{n}": 1.0 for n in range(count)}
    new = Registered(text, 1, text, (text,) * count, 5, 1, text, metrics)
    gates = tuple(GateChange("stage", p.model, text, None, Gate(tags={text: text})) for p in pointers)
    assessment = Assessment(Plan(EMPTY, Change({}), EMPTY, events, findings), BASE, HEAD, (text,) * count)
    return Brief(assessment, moves, (new,) * min(count, 200), gates, asked, findings[:1], "reviewers")


def test_json_of_a_hostile_registry_is_json_and_keeps_every_text() -> None:
    document = json.loads(report(hostile(), "json"))
    assert HOSTILE in {row["name"] for move in document["moves"] for row in move["rows"]}
