"""Makes the contracts that the tests of the forges hold both sides to, from what the forges publish. By hand:

    npm install --ignore-scripts @octokit/openapi@23.0.2 gitea-js@1.23.0
    python tests/forges/trim.py node_modules

`github.openapi.json` is GitHub's own OpenAPI description: the operations below and what they refer to, without prose.
`gitea.contract.json` is taken from the types that gitea-js generated from Gitea's own Swagger description, which no
package holds as such: for each operation its query, its body and its answer, as JSON Schema. Both are MIT licensed;
the notices are in the files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_REPO = "/repos/{owner}/{repo}"
GITHUB = (
    f"GET {_REPO}",
    f"GET {_REPO}/pulls",
    f"POST {_REPO}/pulls",
    f"GET {_REPO}/pulls/{{pull_number}}",
    f"PATCH {_REPO}/pulls/{{pull_number}}",
    f"PUT {_REPO}/pulls/{{pull_number}}/merge",
    f"GET {_REPO}/pulls/{{pull_number}}/reviews",
    f"POST {_REPO}/pulls/{{pull_number}}/reviews",
    f"PUT {_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/dismissals",
    f"GET {_REPO}/issues/{{issue_number}}/comments",
    f"POST {_REPO}/issues/{{issue_number}}/comments",
    f"PATCH {_REPO}/issues/comments/{{comment_id}}",
    f"POST {_REPO}/statuses/{{sha}}",
    f"GET {_REPO}/branches/{{branch}}",
    f"GET {_REPO}/branches/{{branch}}/protection",
    f"GET {_REPO}/rules/branches/{{branch}}",
    f"GET {_REPO}/collaborators/{{username}}/permission",
    f"DELETE {_REPO}/git/refs/{{ref}}",
    "GET /user",
)
GITEA = (
    f"GET {_REPO}",
    f"GET {_REPO}/pulls",
    f"POST {_REPO}/pulls",
    f"GET {_REPO}/pulls/{{index}}",
    f"PATCH {_REPO}/pulls/{{index}}",
    f"POST {_REPO}/pulls/{{index}}/merge",
    f"GET {_REPO}/pulls/{{index}}/reviews",
    f"POST {_REPO}/pulls/{{index}}/reviews",
    f"POST {_REPO}/pulls/{{index}}/reviews/{{id}}/dismissals",
    f"GET {_REPO}/issues/{{index}}/comments",
    f"POST {_REPO}/issues/{{index}}/comments",
    f"PATCH {_REPO}/issues/comments/{{id}}",
    f"POST {_REPO}/statuses/{{sha}}",
    f"GET {_REPO}/branches/{{branch}}",
    f"DELETE {_REPO}/branches/{{branch}}",
    f"GET {_REPO}/branch_protections/{{name}}",
    "GET /user",
    "GET /version",
)
_PROSE = ("description", "summary", "externalDocs", "tags", "title", "operationId")


def github(package: Path) -> dict[str, Any]:
    """Return GitHub's description with nothing but the operations above."""
    whole = json.loads((package / "generated" / "api.github.com.json").read_text())
    paths: dict[str, Any] = {}
    for operation in GITHUB:
        method, path = operation.split()
        there = whole["paths"][path]
        kept = paths.setdefault(path, {k: v for k, v in there.items() if k == "parameters"})
        kept[method.lower()] = _plain(there[method.lower()])
    components: dict[str, dict[str, Any]] = {}
    _collect(paths, whole["components"], components)
    return {
        "openapi": whole["openapi"],
        "info": {
            **{k: whole["info"][k] for k in ("title", "version", "license")},
            "x-notice": (package / "LICENSE").read_text(),
        },
        "paths": paths,
        "components": components,
    }


def _plain(node: Any, names: bool = False) -> Any:
    """Return node without prose and extensions. `names` tells that its keys are names, not words of OpenAPI."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("example", "examples") and not names:
            kept[key] = value
        elif names or not (key.startswith("x-") or key in _PROSE):
            kept[key] = _plain(value, names=key in ("properties", "responses", "headers") and not names)
    if (
        not names
        and isinstance(node.get("description"), str)
        and ({"content", "headers"} & node.keys() or len(node) == 1)
    ):
        kept["description"] = "-"  # a response must have one
    return kept


def _collect(node: Any, source: dict[str, Any], into: dict[str, dict[str, Any]]) -> None:
    """Put everything that node refers to, directly or not, into `into`."""
    if isinstance(node, list):
        for each in node:
            _collect(each, source, into)
    elif isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            _, _, kind, name = reference.split("/")
            if name not in into.setdefault(kind, {}):
                found = source[kind][name]
                into[kind][name] = found if kind == "examples" else _plain(found)
                _collect(into[kind][name], source, into)
        for each in node.values():
            _collect(each, source, into)


_INTERFACE = re.compile(r"^interface (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) = (string|number|string\[\]|Record<string, string>);", re.MULTILINE)
_PROPERTY = re.compile(r"^ {4}(\w+)(\?)?: (.+);$", re.MULTILINE)
_OPERATION = re.compile(
    r"@request (?P<method>[A-Z]+):(?P<path>\S+)\n.*?\*/\n\s+\w+: \((?P<arguments>.*?)params\?: RequestParams\)"
    r" => Promise<HttpResponse<(?P<answer>[^,>]+), [^>]+>>;",
    re.DOTALL,
)
_QUERY = re.compile(r"query\??: \{(.*?)\n {8}\}", re.DOTALL)


def gitea(package: Path) -> dict[str, Any]:
    """Return the contract of the operations above, from the types of gitea-js."""
    text = (package / "dist" / "index.d.ts").read_text()
    types = {name: _object(body) for name, body in _INTERFACE.findall(text)}
    types.update({name: _schema(kind) for name, kind in _ALIAS.findall(text)})
    operations = {}
    for match in _OPERATION.finditer(text):
        name = f"{match['method']} {match['path']}"
        if name in GITEA:
            query = _QUERY.search(match["arguments"])
            body = re.search(r"body\??: (\w+)", match["arguments"])
            answer = match["answer"]
            operations[name] = {
                "query": sorted(re.findall(r"^ {12}(\w+)\??:", query[1], re.MULTILINE)) if query else [],
                "body": _schema(body[1]) if body else None,
                "answer": None if answer == "any" else _schema(answer),
            }
    assert set(operations) == set(GITEA), set(GITEA) - set(operations)
    kept: dict[str, Any] = {}
    for name in _named(operations):
        _keep(name, types, kept)
    return {"notice": (package / "LICENSE").read_text(), "operations": operations, "definitions": kept}


def _object(body: str) -> dict[str, Any]:
    found = _PROPERTY.findall(body)
    properties = {name: _schema(kind) for name, _, kind in found}
    required = [name for name, optional, _ in found if not optional]
    closed = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**closed, **({"required": required} if required else {})}


def _schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a TypeScript type. What is not there is null in Go's answers."""
    if kind.endswith("[]"):
        return {"type": ["array", "null"], "items": _schema(kind[:-2])}
    if kind.startswith("'"):
        return {"enum": re.findall(r"'([^']*)'", kind)}
    simple = {"string": "string", "number": "number", "boolean": "boolean"}.get(kind)
    if simple is not None:
        return {"type": [simple, "null"]}
    if kind == "any" or kind.startswith("Record<"):
        return {}
    return {"$ref": f"#/definitions/{kind}"}


def _named(node: Any) -> Iterator[str]:
    for match in re.finditer(r'"#/definitions/(\w+)"', json.dumps(node)):
        yield match[1]


def _keep(name: str, types: dict[str, Any], into: dict[str, Any]) -> None:
    if name not in into:
        found = types[name]
        into[name] = {"anyOf": [found, {"type": "null"}]} if found.get("type") == "object" else found
        for other in _named(found):
            _keep(other, types, into)


def main(modules: Path) -> None:
    """Write both files."""
    for name, contract in (
        ("github.openapi.json", github(modules / "@octokit" / "openapi")),
        ("gitea.contract.json", gitea(modules / "gitea-js")),
    ):
        (HERE / name).write_text(json.dumps(contract, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
