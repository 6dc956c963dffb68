"""Reports as their readers get them: golden files, and what each format promises its consumer.

ACCEPT_GOLDEN=1 writes what the reports are now into tests/golden/ instead of failing; read the diff before you commit it.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from muster.core.checks import CHANGE_CHECKS, CHECKS
from muster.core.errors import Finding
from muster.core.plans import Assessment
from muster.frontends.reports import markdown, report
from muster.frontends.reports.fitting import Part, fitted
from support.assessments import SCENARIOS

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {"markdown": "md", "text": "txt", "json": "json", "github": "github.txt", "gitlab": "gitlab.json"}


def agrees(path: Path, text: str) -> None:
    if os.environ.get("ACCEPT_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("format", ["markdown", "text", "json"])
def test_a_report_reads_as_it_was_accepted(name: str, format: str) -> None:
    agrees(GOLDEN / f"{name}.{ENDINGS[format]}", report(SCENARIOS[name](), format))


@pytest.mark.parametrize("name", ["promotion-approved", "promotion-failing", "hostile"])
def test_a_proposals_first_text_reads_as_it_was_accepted(name: str) -> None:
    text = markdown.proposed_body(SCENARIOS[name]().plan, "better in a week of shadow traffic")
    agrees(GOLDEN / f"proposed-{name}.md", text)


@pytest.mark.parametrize("format", ["github", "gitlab"])
def test_annotations_read_as_they_were_accepted(format: str) -> None:
    agrees(GOLDEN / f"promotion-failing.{ENDINGS[format]}", report(SCENARIOS["promotion-failing"](), format))


def found(*findings: Finding) -> Assessment:
    assessment = SCENARIOS["nothing"]()
    return replace(assessment, plan=replace(assessment.plan, findings=findings))


def test_a_runner_is_given_ten_errors_and_a_count_of_the_rest() -> None:
    many = tuple(Finding("registry.yaml", "policy_is_sound", f"problem {n}") for n in range(13))
    lines = report(found(*many), "github").splitlines()
    assert lines[0] == "::error file=registry.yaml,title=policy_is_sound::problem 0"
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 10 + ["::notice"]
    assert lines[-1] == "::notice title=muster check::and 3 findings more"


def test_gitlab_is_given_a_line_and_a_fingerprint_of_its_own_for_each_finding() -> None:
    many = (Finding("a", "r", "m"), Finding("a", "r", "n"), Finding("a", "r", "m"), Finding("", "s", "m", 7))
    listed = json.loads(report(found(*many), "gitlab"))
    assert [entry["location"] for entry in listed] == [
        {"path": "a", "lines": {"begin": 1}},
        {"path": "a", "lines": {"begin": 1}},
        {"path": "registry.yaml", "lines": {"begin": 7}},
    ]
    assert len({entry["fingerprint"] for entry in listed}) == len(listed) == 3
    assert {entry["severity"] for entry in listed} == {"blocker"}
    assert listed == json.loads(report(found(*many), "gitlab"))


TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}
RULE = {
    "type": "object",
    "required": ["id", "name", "shortDescription", "fullDescription", "helpUri"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "helpUri": {"type": "string", "format": "uri"},
        "defaultConfiguration": {"const": {"level": "error"}},
    },
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "message", "locations", "partialFingerprints"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"const": "error"},
        "message": TEXT,
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["physicalLocation"],
                "properties": {
                    "physicalLocation": {
                        "type": "object",
                        "required": ["artifactLocation", "region"],
                        "properties": {
                            "artifactLocation": {
                                "type": "object",
                                "required": ["uri"],
                                "properties": {
                                    "uri": {"type": "string", "format": "uri-reference", "minLength": 1},
                                    "uriBaseId": {"const": "%SRCROOT%"},
                                },
                                "additionalProperties": False,
                            },
                            "region": {
                                "type": "object",
                                "required": ["startLine"],
                                "properties": {
                                    "startLine": {"type": "integer", "minimum": 1},
                                    "startColumn": {"type": "integer", "minimum": 1},
                                },
                                "additionalProperties": False,
                            },
                        },
                        "additionalProperties": False,
                    }
                },
                "additionalProperties": False,
            },
        },
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}  # what SARIF 2.1.0 says of the properties that are used, and that GitHub's code scanning requires


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_sarif_log_has_what_code_scanning_requires_and_nothing_sarif_does_not_know(name: str) -> None:
    log = json.loads(report(SCENARIOS[name](), "sarif"))
    assert log["version"] == "2.1.0" and set(log) == {"$schema", "version", "runs"}
    (run,) = log["runs"]
    assert set(run) == {"tool", "invocations", "columnKind", "results"}
    driver = run["tool"]["driver"]
    assert set(driver) == {"name", "informationUri", "rules"}
    for rule in driver["rules"]:
        jsonschema.validate(rule, RULE)
    for result in run["results"]:
        jsonschema.validate(result, RESULT)
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert len(run["results"]) == len(SCENARIOS[name]().plan.findings)


def test_a_sarif_log_knows_every_rule_by_what_is_true_when_it_holds() -> None:
    (run,) = json.loads(report(SCENARIOS["nothing"](), "sarif"))["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert set(rules) == {rule.__name__ for rule in (*CHECKS, *CHANGE_CHECKS)}
    assert rules["gates_pass"]["shortDescription"]["text"].startswith("A version enters a stage")


def test_a_sarif_message_has_no_link_and_a_long_list_says_that_it_was_cut() -> None:
    finding = Finding(
        "models/a b%/x.yaml", "merges_cleanly", "see [here](1) ![i](https://evil.example)", 0, 4
    )
    many = (finding, *(Finding("a", "r", str(n)) for n in range(5_001)))
    (run,) = json.loads(report(found(*many), "sarif"))["runs"]
    first = run["results"][0]
    assert first["message"]["text"] == "see [here] (1) ![i] (https://evil.example)"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "models/a%20b%25/x.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 1, "startColumn": 4},
    }
    assert len(run["results"]) == 5_000
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("2 findings more")


def test_a_report_of_a_whole_registry_is_its_findings() -> None:
    whole = replace(found(Finding("a", "r", "m", 1, 2)), base=None)
    assert report(whole, "text") == "a:1:2: m [r]\n"
    assert "**❌ 1 finding**" in report(whole, "markdown")
    assert report(replace(found(), base=None), "text") == ""
    assert "**✅ Every rule holds**" in report(replace(found(), base=None), "markdown")


def test_parts_are_given_room_by_rank_and_say_how_many_of_their_items_have_none() -> None:
    def part(rank: int, most: int | None = None) -> Part:
        return Part(["12345\n"] * 4, opens=f"{rank}:\n", more=lambda left: f"+{left}\n", most=most, rank=rank)

    assert fitted([part(2), part(1)], 100) == "2:\n" + "12345\n" * 4 + "1:\n" + "12345\n" * 4
    assert fitted([part(2), part(1)], 40) == "2:\n+4\n1:\n" + "12345\n" * 4
    assert fitted([part(1, most=2), Part([])], 40) == "1:\n12345\n12345\n+2\n"
    assert fitted([part(1)], 6) == "1:\n+4\n"
