"""The documentation is true: its examples run, its links resolve, and what is generated is fresh.

ACCEPT_DOCS=1 writes what the commands print into the pages instead of failing; read the diff before you commit it.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from muster import resources
from muster.core import checks, names, plans
from muster.core.models import Signature
from muster.core.operations import SetStage
from muster.core.policy import Evidence
from muster.core.snapshot import EMPTY, Change
from muster.frontends import report
from support import pages
from support.registry import built, version

TOP = Path(__file__).resolve().parent.parent
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
NAMES = {page: page.relative_to(TOP).as_posix() for page in PAGES}
ACCEPT = os.environ.get("ACCEPT_DOCS") == "1"


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _load_generator()


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if pages.is_runnable(p)], ids=NAMES.get)
def test_every_example_of_a_page_does_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    found = pages.run(page, tmp_path)
    if ACCEPT:
        pages.accept(page, found)
        found = [wrong for wrong in found if "--- exit code" in wrong.words or not wrong.printed]
    assert not found, "\n\n".join(f"{NAMES[page]}:{wrong.first}\n{wrong.words}" for wrong in found)


def _files(page: Path) -> Iterator[tuple[str, bytes, int]]:
    """Yield (path, content, line) of each file of a registry that a page shows: its first line names it."""
    for block in pages.blocks(page):
        if block.kind in ("yaml", "ini") and block.lines and block.lines[0].startswith("# "):
            yield block.lines[0][2:], "".join(f"{line}\n" for line in block.lines[1:]).encode(), block.first


def test_the_files_shown_by_the_page_of_file_formats_are_one_valid_registry() -> None:
    files = {path: content for path, content, _ in _files(TOP / "docs" / "file-formats.md")}
    assert {names.locate(path).kind for path in files if names.locate(path)} == {  # type: ignore[union-attr]
        "registry", "model", "version", "dvc", "annotations", "alias", "stage", "label", "hold", "tombstone"
    }  # fmt: skip
    assert checks.check(EMPTY, Change(files)) == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "file-formats.md"], ids=NAMES.get)
def test_each_file_shown_elsewhere_matches_its_schema(page: Path) -> None:
    for path, content, line in _files(page):
        around = {p: c for p, c in resources.template().items() if p != path}
        findings = checks.check(EMPTY, Change({**around, path: content}))
        assert not findings, f"{NAMES[page]}:{line}: {findings}"


def _gates() -> list[tuple[bytes, pages.Block]]:
    """Each policy of the page of policies that is followed by what it finds, and the block that shows that."""
    every = list(pages.blocks(TOP / "docs" / "policy.md"))
    return [
        ("".join(f"{line}\n" for line in policy.lines[1:]).encode(), shown)
        for policy, shown in itertools.pairwise(every)
        if policy.kind == "yaml" and shown.kind == "text"
    ]


@pytest.mark.parametrize(("policy", "shown"), _gates(), ids=lambda value: getattr(value, "first", ""))
def test_each_gate_refuses_what_its_page_says_it_refuses(policy: bytes, shown: pages.Block) -> None:
    temp, hour = ({"name": "temp", "type": "double"}, {"name": "hour", "type": "long"})
    old, new = Signature(inputs=(temp,)), Signature(inputs=(temp, hour))
    registry = built(
        version("bikes", "one", metrics={"rmse": 55.0}, signature=old, format="pickle", stage="production"),
        version("bikes", "two", metrics={"rmse": 61.0}, signature=new, format="pickle", stage="staging"),
        policy=policy,
    )
    came = datetime(2026, 5, 1, 9, 30, tzinfo=timezone.utc)
    evidence = Evidence(came.replace(hour=11), lambda *_: False, lambda *_: came)
    plan = plans.make(registry, (SetStage("bikes", 2, "production"),), evidence)
    said = tuple(line for line in report.plan_lines(plan) if line.startswith(("  finding:", "  review:")))
    if ACCEPT:
        place = next(block for text, block in _gates() if text == policy)
        wrong = pages.Mismatch(place.first, place.first + len(place.lines), said, "")
        pages.accept(TOP / "docs" / "policy.md", [wrong])
    assert said == shown.lines or ACCEPT


def _text(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def _prose(page: Path) -> str:
    """A page without its blocks and code, where links and headings are."""
    without_blocks = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(
        r"`[^`\n]*`", lambda code: code[0].strip("`").replace("[", "").replace("]", ""), without_blocks
    )


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _links(page: Path) -> Iterator[str]:
    inline = re.findall(r"\]\(([^)\s]+)\)", _prose(page))
    yield from (link for link in inline if not re.match(r"[a-z]+:", link))


@pytest.mark.parametrize("page", PAGES, ids=NAMES.get)
def test_every_link_resolves(page: Path) -> None:
    for link in _links(page):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{NAMES[page]}: {link}"
        assert target.is_relative_to(TOP), f"{NAMES[page]}: {link}"
        assert not anchor or anchor in _anchors(target), f"{NAMES[page]}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES.get)
def test_every_reference_style_link_is_defined(page: Path) -> None:
    prose = _prose(page)
    defined = set(re.findall(r"^\[([^\]]+)\]: https://", prose, flags=re.MULTILINE))
    assert set(re.findall(r"\]\[([^\]]+)\]", prose)) == defined


def test_every_page_is_listed_in_the_index() -> None:
    index = TOP / "docs" / "index.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in _links(index)}
    assert {page for page in PAGES if page != index} <= listed


@pytest.mark.parametrize("page", PAGES, ids=NAMES.get)
def test_a_page_begins_with_its_title_and_a_sentence(page: Path) -> None:
    title, empty, first, *_ = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    assert not empty
    assert re.match(r"(This page |A machine-learning model registry )", first)


def test_the_generated_parts_are_fresh() -> None:
    assert [NAMES[page] for page in generate.stale()] == [], "run `python docs/generate.py`"


def test_every_command_has_its_part_and_its_section() -> None:
    page = _text("docs/cli.md")
    for name in generate.command_names():
        assert f"\n## muster {name}\n" in page
        assert f"<!-- generated: command {name} -->" in page


def test_every_exit_code_is_listed() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", _text("docs/cli.md"), flags=re.MULTILINE)}
    assert codes == {0, 1, 2, *generate.EXIT_CODES.values(), generate.INTERRUPTED}


def test_every_rule_that_a_finding_can_name_is_listed() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (TOP / "src").rglob("*.py"))
    named = {rule.__name__ for rule in (*checks.CHECKS, *checks.CHANGE_CHECKS)}
    named |= set(re.findall(r'Finding\(\s*[^"()]*"([a-z]+(?:_[a-z]+)+)"', source))
    named |= set(re.findall(r'RULE(?:: \w+)? = "([a-z_]+)"', source))
    listed = set(re.findall(r"^### (\w+)$", _text("docs/rules.md"), flags=re.MULTILINE))
    assert named == listed


def test_every_field_of_every_schema_is_listed() -> None:
    page = _text("docs/file-formats.md")
    kinds = [path.name.removesuffix(".schema.json") for path in (TOP / "schemas").glob("*.schema.json")]
    for kind in kinds:
        assert f"<!-- generated: schema {kind} -->" in page
        for name in _field_names(generate.load_schema(kind)):
            assert re.search(rf"`([\w.<>\[\]]+\.)?{re.escape(name)}`", page), f"{kind}: {name}"


def _field_names(spec: object) -> Iterator[str]:
    if isinstance(spec, dict):
        yield from spec.get("properties", {})
        for key, inner in spec.items():
            if key != "properties":
                yield from _field_names(inner)
        for inner in spec.get("properties", {}).values():
            yield from _field_names(inner)
    elif isinstance(spec, list):
        for inner in spec:
            yield from _field_names(inner)


def test_every_gate_has_its_section() -> None:
    sections = set(re.findall(r"^### (\w+)$", _text("docs/policy.md"), flags=re.MULTILINE))
    assert sections == {path for path, _, _ in generate.fields_of(generate._gate()) if "." not in path}


def test_every_public_name_is_in_the_reference() -> None:
    import muster

    page = _text("docs/library.md")
    for name in muster.__all__:
        assert f"<!-- generated: api {name} -->" in page or f"`muster.{name}`" in page, name
    for name, _ in inspect.getmembers(muster.Registry, inspect.isfunction):
        assert name.startswith("_") or f"**`{name}(" in page, name


def test_every_extra_that_a_format_asks_for_and_every_dependency_is_explained() -> None:
    project = _text("pyproject.toml")
    optional = re.findall(r"(?ms)^\[project.optional-dependencies\]$(.*?)^\[", project)[0]
    required = re.findall(r"(?ms)^dependencies = \[$(.*?)^\]", project)[0]
    extras = set(re.findall(r"^(\w+) = \[", optional, flags=re.MULTILINE))
    packages = set(re.findall(r'"([A-Za-z0-9-]+)', required + optional)) - {"muster-registry"}
    assert {row.extra for row in generate.FORMATS if row.extra} <= extras
    assert {"dvc", "click", "pytest"} <= packages
    for name in extras | packages:
        assert re.search(rf"\b{re.escape(name)}\b", _text("docs/decisions/0005-dependencies.md")), name


def test_the_readme_says_how_to_run_it_and_how_to_test_it_as_ci_does() -> None:
    readme = _text("README.md").splitlines()
    run = "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]' && .venv/bin/muster demo"
    test = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest -n auto"
    assert f"    {run}" in readme
    assert f"    {test}" in readme
    assert test in _text(".ci/run").splitlines()
    assert f"    {test}" in _text("CONTRIBUTING.md").splitlines()


def test_ci_checks_that_what_is_generated_is_fresh() -> None:
    assert ".venv/bin/python docs/generate.py --check" in _text(".ci/run").splitlines()


def test_the_changelog_has_a_section_for_what_is_not_released() -> None:
    assert "\n## [Unreleased]\n" in _text("CHANGELOG.md")


def test_a_generated_part_that_was_edited_is_made_anew() -> None:
    fresh = _text("docs/rules.md")
    assert generate.generated(fresh.replace("### file_is_plain", "### file_was_plain")) == fresh


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["at 1fe8bf7f5b7b"], ["at 8669c8fe6105"], True),
        (["since 2026-05-01T09:30:00Z"], ["since 2027-01-02T03:04:05Z"], True),
        (["6.4 kB in 1 file"], ["7 B in 1 file"], True),
        (["6.4 kB in 1 file"], ["6.4 kB in 2 files"], False),
        (["rmse 53.4"], ["rmse 53.5"], False),
        (["a    b"], ["a b"], True),
        (["first", "...", "last"], ["first", "one", "two", "last"], True),
        (["first", "...", "last"], ["first", "one", "two"], False),
        (["bikes/1"], ["bikes/1", "bikes/2"], False),
        (["uri: ...dir"], ["uri: /srv/2e.dir"], True),
    ],
)
def test_output_is_compared_by_the_rules_that_the_runner_states(
    shown: list[str], printed: list[str], same: bool
) -> None:
    assert pages.matches(tuple(shown), tuple(printed)) is same


def test_an_example_that_does_something_else_is_found_and_can_be_accepted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    console = "```console\n$ echo one\ntwo\n$ false\n$ false\n$ echo $?\n1\n```\n"
    page.write_text(f"{console}```pycon\n>>> 1 + 1\n3\n```\n")
    found = pages.run(page, tmp_path)
    assert [wrong.first for wrong in found] == [3, 5, 10]
    pages.accept(page, found[:1])
    assert page.read_text().startswith("```console\n$ echo one\none\n$ false\n")
