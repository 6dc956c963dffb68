"""The report for reviewers: one comment in Markdown, as GitHub, GitLab and Gitea render it, and a proposal's first text.

Whatever a stranger may have written stands in a code span, and nothing else does its work in all of these renderers:
mentions, references to issues and commits, emoji, links, footnotes, HTML and formatting are looked for everywhere but
in code. Entities do not help (`&#64;ann` is a mention once it is decoded), and characters of no width make what is
copied from the page another name. Two things reach into code spans: a line's end, which is shown as an escape like
every other character that is not visible, and the `|` of a table, which stands between two spans as an entity. A span is
fenced with more backticks than are in it. What opens a line is always the template's own. There are no links at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...core import brief as briefs
from ...core.brief import Brief, Move, brief
from ...core.errors import Finding
from ...core.events import Event
from ...core.plans import Assessment, Plan
from ...core.undo import Undo
from ..report import safe
from . import words
from .fitting import Part, fitted

MARKER = "<!-- muster -->"  # the first line, by which the comment is found again and edited in place
LIMIT = 65_000  # bytes: GitHub takes 65,536 characters for a pull request, and more for a comment
MAX_TEXT = 400  # characters of a sentence that is shown
MAX_NAME = 130  # of anything else; names of the registry's own are shorter
MAX_FENCE = 40  # backticks
MAX_ROWS = 8
MAX_MOVES = 5  # whose tables are seen at once, and as many again that are folded away
MAX_FINDINGS = 20
MAX_EVENTS = 10

_SIGNS = {"author": "❌", "reviewers": "⏳", "merger": "✅", "nobody": "✅"}
_PASSED = {True: "✅ ", False: "❌ ", None: ""}


def report(assessment: Assessment) -> str:
    """Return the comment: verdict and move, comparison, findings, approvals, and how to undo it."""
    return comment(brief(assessment))


def comment(found: Brief) -> str:
    """Return the comment that says what a brief holds."""
    plan = found.assessment.plan
    parts = [
        Part([f"{MARKER}\n{_first_line(found)}\n\n{_next(found)}"], rank=-1),
        *_tables(found.main, rank=2),
        _findings(plan.findings),
        _approvals(found),
        _events(plan),
        _gates(found.gates),
        _way_back(found.main if not found.mendable else ()),
        *_details(found),
        Part([_footer(found)], rank=-1),
    ]
    return fitted(parts, LIMIT)


def proposed_body(plan: Plan, reason: str) -> str:
    """Return the first text of a proposal that carries out plan: what it does and why, and how to check and undo it."""
    moves = briefs.moves(plan)
    main = [move for move in moves if not move.secondary]
    base = (plan.before.commit or "")[:12]
    check = f"To check it, with its branch checked out:\n\n```sh\nmuster check {base} HEAD\n```\n\n"
    parts = [
        Part([f"**Why**: {_sentence(reason)}\n\n" if reason.strip() else ""]),
        _events(plan),
        _listed("**Why it needs review**", plan.review, _sentence, rank=1),
        *_tables(main, rank=2),
        _gates(briefs.gates(plan)),
        _findings(plan.findings),
        Part([check]),
        _way_back(main),
        _registered(briefs.registered(plan)),
    ]
    return fitted(parts, LIMIT)


def code(text: str, most: int = MAX_NAME) -> str:
    """Return text as a code span that shows it, cut where it is very long, and that fits in a table's cell."""
    kept = text[:most]
    while len((shown := _visible(kept)).encode()) + 5 * shown.count("|") > 4 * most:
        kept = kept[: len(kept) // 2]  # escapes are longer than what they stand for
    return "&#124;".join(_span(part) for part in (shown + "..." * (kept != text)).split("|"))


def _visible(text: str) -> str:
    """Text with escapes for what is invisible, and for backticks too where so many follow each other that no fence
    encloses them: renderers give up at 80."""
    shown = safe(text)
    return shown.replace("`", "\\x60") if "`" * MAX_FENCE in shown else shown


def _sentence(text: str) -> str:
    return code(text, MAX_TEXT)


def _span(text: str) -> str:
    """A code span. A space at each end is taken off again; a dollar beside the fence could make a formula of it."""
    if not text:
        return ""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    edges = text[0] in " `$" or text[-1] in " `$"
    pad = " " if edges and text.strip(" ") else ""
    fence = "`" * (longest + 1)
    return f"{fence}{pad}{text}{pad}{fence}"


def _first_line(found: Brief) -> str:
    head = words.headline(found, code)
    stands = words.verdict(found)
    return f"**{_SIGNS[found.turn]} {stands}{f': {head}' if head else ''}**"


def _next(found: Brief) -> str:
    whose = words.turn(found, code)
    return f"Next: {whose}.\n\n" if whose else ""


# --- the parts -------------------------------------------------------------------------------------------------------


def _tables(moves: Sequence[Move], rank: int) -> Iterator[Part]:
    for move in [move for move in moves if move.rows][:MAX_MOVES]:
        yield _table(move, move.rows[:MAX_ROWS], closes=f"\n{_signature(move)}", rank=rank)


def _table(move: Move, rows: Sequence[briefs.Row], closes: str, rank: int, opens: str = "") -> Part:
    head = _cells([code(str(move.pointer)), *words.head(move, code)])
    rule = "| --- | ---: | ---: | ---: | --- |\n"
    return Part(
        rows,
        lambda row: _row(move, row),
        f"{opens}{head}{rule}",
        closes,
        lambda left: f"\nand {left} more\n",
        rank=rank,
    )


def _row(move: Move, row: briefs.Row) -> str:
    *shown, gate = words.cells(row, move, code)
    return _cells([*shown, f"{_PASSED[row.passed]}{gate}"])


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _signature(move: Move) -> str:
    """What breaks callers is said below the table; what else differs is a detail."""
    if move.compatibility != "incompatible":
        return ""
    shown = [_sentence(reason) for reason in move.reasons[: words.MAX_NAMED]]
    return f"Callers break: {', '.join(shown)}{_more(len(move.reasons) - len(shown))}\n\n"


def _findings(findings: Sequence[Finding]) -> Part:
    return _listed("**Findings**", findings, _finding, MAX_FINDINGS, rank=1)


def _finding(finding: Finding) -> str:
    place = f"{_sentence(finding.place)}: " if finding.path else ""
    fix = f" To mend it: {_sentence(finding.fix)}." if finding.fix else ""
    return f"{place}{_sentence(finding.message)} ({code(finding.rule)}).{fix}"


def _approvals(found: Brief) -> Part:
    lines = [line for asked in found.approvals[:MAX_EVENTS] for line in words.approvals(asked, code)]
    return _listed("**Approvals**", lines, most=MAX_EVENTS, rank=1)


def _events(plan: Plan) -> Part:
    return _listed("**What it does**", plan.events, _event, MAX_EVENTS, rank=3)


def _event(event: Event) -> str:
    return _sentence(str(event))


def _gates(changed: Sequence[briefs.GateChange]) -> Part:
    lines = [line for gate in changed[:MAX_FINDINGS] for line in words.gate_change(gate, _sentence)]
    return _listed("**What the policy would be**", lines, most=MAX_FINDINGS, rank=2)


def _listed(
    title: str,
    items: Sequence[Any],
    show: Callable[[Any], str] = str,
    most: int | None = None,
    rank: int = 0,
) -> Part:
    return Part(
        items,
        lambda item: f"- {show(item)}\n",
        f"{title}\n\n",
        "\n",
        lambda left: f"- and {left} more\n",
        most,
        rank,
    )


def _way_back(moves: Iterable[Move]) -> Part:
    """The commands that undo it, in a block from which they can be copied."""
    opens = "To undo it later:\n\n```sh\n"  # no line of it can end the block: each begins with `muster`
    return Part(
        words.undo(moves), _command, opens, "```\n\n", lambda left: f"# and {left} more\n", MAX_EVENTS, 1
    )


def _command(command: Undo) -> str:
    return f"{safe(words.undo_line(command))}\n"


def _details(found: Brief) -> Iterator[Part]:
    """What one reader in ten asks for, folded away."""
    more = [(m, m.rows[MAX_ROWS:] if at < MAX_MOVES else m.rows) for at, m in enumerate(found.main)]
    for move, rows in [(move, rows) for move, rows in more if rows][: 2 * MAX_MOVES]:
        opens = f"<details>\n<summary>{words.counted(len(rows), 'row')} more</summary>\n\n"
        yield _table(move, rows, closes="\n</details>\n\n", rank=5, opens=opens)
    yield _registered(found.registered)
    plan = found.assessment.plan
    yield _folded("More findings", plan.findings[MAX_FINDINGS:], _finding, rank=6)
    yield _folded("More events", plan.events[MAX_EVENTS:], _event, rank=7)


def _registered(versions: Sequence[briefs.Registered]) -> Part:
    title = f"Registered: {words.counted(len(versions), 'version')}"
    return _folded(title, versions, lambda new: words.registration(new, code), rank=4)


def _folded(title: str, items: Sequence[Any], show: Callable[[Any], str], rank: int) -> Part:
    """A list that a reader unfolds. Its title is HTML, and so only ever the template's own words."""
    opens = f"<details>\n<summary>{title}</summary>\n\n"
    more = "\n</details>\n\n"
    return Part(
        items, lambda item: f"- {show(item)}\n", opens, more, lambda left: f"- and {left} more\n", rank=rank
    )


def _footer(found: Brief) -> str:
    assessment = found.assessment
    judge = f"the rules and the policy of base {code(assessment.base)}" if assessment.base else "the rules"
    by = ", ".join(code(author) for author in assessment.authors[: words.MAX_NAMED])
    wrote = f" by {by}{_more(len(assessment.authors) - words.MAX_NAMED)}" if by else ""
    return f"Head {code(assessment.head)}{wrote}, judged by {judge}.\n"


def _more(number: int) -> str:
    return f" and {number} more" if number > 0 else ""
