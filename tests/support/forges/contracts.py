"""What the forges publish of their APIs, as judges of requests and answers.

GitHub's is its OpenAPI description. Gitea's is the types generated from its Swagger description. GitLab's is what the
client that its documentation recommends declares of requests; of answers that says nothing.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.forges.server import Asked

FILES = Path(__file__).resolve().parent.parent.parent / "forges"
_Json = Mapping[str, Any]


class GitHubContract:
    """GitHub's OpenAPI description, trimmed. Keys of a body that it does not name are breaches too."""

    def __init__(self) -> None:
        from openapi_core import OpenAPI

        self.document = json.loads((FILES / "github.openapi.json").read_text())
        self._api = OpenAPI.from_dict(self.document)

    def request(self, asked: Asked, raw: bytes) -> list[str]:
        unknown = sorted(set(asked.body) - self._keys(asked)) if asked.body else []
        queried = {
            p["name"]
            for p in map(self._found, self._operation(asked).get("parameters", ()))
            if p["in"] == "query"
        }
        strange = sorted(set(asked.query) - queried)
        return [
            *(f"unknown key {key}" for key in unknown),
            *(f"unknown parameter {key}" for key in strange),
            *_breaches(self._api.validate_request, self._asked(asked, raw)),
        ]

    def answer(self, asked: Asked, status: int, body: bytes) -> list[str]:
        from openapi_core.testing import MockResponse

        if str(status) not in self._operation(asked)["responses"]:
            return [] if status in (401, 403, 404) else [f"GitHub does not answer this with {status}"]
        response = MockResponse(body, status, content_type="application/json")
        return _breaches(self._api.validate_response, self._asked(asked, b""), response)

    def example(self, method: str, template: str, status: int) -> Any:
        """Return GitHub's own example of an answer."""
        operation = self.document["paths"][template][method.lower()]
        content = self._found(operation["responses"][str(status)])["content"]["application/json"]
        examples = content.get("examples")
        found = self._found(next(iter(examples.values())))["value"] if examples else content["example"]
        return copy.deepcopy(found)

    def _asked(self, asked: Asked, raw: bytes) -> Any:
        from openapi_core.testing import MockRequest

        path = asked.template
        for name, value in asked.params.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return MockRequest(
            *("https://api.github.com", asked.method.lower(), path),
            args=dict(asked.query),
            view_args=dict(asked.params),
            data=raw or None,
            content_type="application/json",
        )

    def _operation(self, asked: Asked) -> Any:
        return self.document["paths"][asked.template][asked.method.lower()]

    def _keys(self, asked: Asked) -> set[str]:
        content = self._found(self._operation(asked).get("requestBody", {})).get("content", {})
        schema = self._found(content.get("application/json", {}).get("schema", {}))
        either = [self._found(each) for word in ("oneOf", "anyOf") for each in schema.get(word, ())]
        return {key for each in (schema, *either) for key in each.get("properties", {})}

    def _found(self, node: Any) -> Any:
        while "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            node = self.document["components"][kind][name]
        return node


def _breaches(validate: Any, *arguments: Any) -> list[str]:
    from openapi_core.exceptions import OpenAPIError

    try:
        validate(*arguments)
    except OpenAPIError as error:
        inner = getattr(error.__cause__, "schema_errors", ())
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in inner] or [repr(error)]
    return []


class GiteaContract:
    """The types of Gitea's API. Its objects are closed: an unknown key is a breach, in requests and in answers."""

    def __init__(self) -> None:
        self.document = json.loads((FILES / "gitea.contract.json").read_text())

    def request(self, asked: Asked, raw: bytes) -> list[str]:
        operation = self.document["operations"][f"{asked.method} {asked.template}"]
        strange = sorted(set(asked.query) - set(operation["query"]))
        return [
            *(f"unknown parameter {key}" for key in strange),
            *self._judge(operation["body"], asked.body, raw),
        ]

    def answer(self, asked: Asked, status: int, body: bytes) -> list[str]:
        operation = self.document["operations"][f"{asked.method} {asked.template}"]
        return self._judge(operation["answer"], json.loads(body or b"null"), body) if status < 300 else []

    def _judge(self, schema: _Json | None, value: Any, raw: bytes) -> list[str]:
        from jsonschema import Draft7Validator
        from jsonschema.exceptions import best_match

        if schema is None:
            return [f"it has a body: {raw[:100]!r}"] if raw else []
        whole = {**schema, "definitions": self.document["definitions"]}
        if "$ref" in schema:
            whole = {"allOf": [schema], "definitions": self.document["definitions"]}
        error = best_match(Draft7Validator(whole).iter_errors(value))
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"] if error else []


# What GitLab's documentation names and python-gitlab passes on without declaring it.
_UNDECLARED: Mapping[str, frozenset[str]] = {
    "PUT /projects/{id}/merge_requests/{iid}/merge": frozenset({"sha", "squash_commit_message"}),
    "GET /projects/{id}/merge_requests/{iid}/notes": frozenset({"sort", "order_by"}),
}


class GitLabContract:
    """python-gitlab's declared attributes: which must be there, and which may."""

    def request(self, asked: Asked, raw: bytes) -> list[str]:
        key = f"{asked.method} {asked.template}"
        required, allowed = _declared().get(key, (frozenset(), frozenset()))
        given = set(asked.body) | (set(asked.query) - {"page", "per_page"})
        missing, unknown = (
            sorted(required - given),
            sorted(given - required - allowed - _UNDECLARED.get(key, frozenset())),
        )
        return [*(f"{name} is missing" for name in missing), *(f"unknown {name}" for name in unknown)]

    def answer(self, asked: Asked, status: int, body: bytes) -> list[str]:
        return []


@functools.cache
def _declared() -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
    """Return operation -> (required, allowed) names."""
    from gitlab.v4 import objects

    project, requests = "/projects/{id}", objects.ProjectMergeRequestManager
    one = f"{project}/merge_requests/{{iid}}"
    nothing: frozenset[str] = frozenset()

    def writing(attributes: Any) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(attributes.required), frozenset((*attributes.optional, *attributes.exclusive))

    def calling(method: Any) -> tuple[frozenset[str], frozenset[str]]:
        return nothing, frozenset(inspect.signature(method).parameters) - {"self", "kwargs"}

    note = objects.ProjectMergeRequestNoteManager
    return {
        f"GET {project}/merge_requests": (nothing, frozenset(requests._list_filters)),
        f"POST {project}/merge_requests": writing(requests._create_attrs),
        f"PUT {one}": writing(requests._update_attrs),
        f"PUT {one}/merge": calling(objects.ProjectMergeRequest.merge),
        f"POST {one}/approve": calling(objects.ProjectMergeRequest.approve),
        f"POST {one}/unapprove": calling(objects.ProjectMergeRequest.unapprove),
        f"POST {one}/notes": writing(note._create_attrs),
        f"PUT {one}/notes/{{note}}": writing(note._update_attrs),
        f"GET {project}/events": (nothing, frozenset(objects.ProjectEventManager._list_filters)),
        f"POST {project}/statuses/{{sha}}": writing(objects.ProjectCommitStatusManager._create_attrs),
    }
