"""One HTTP server for a forge's API and, beside it, for git. Knows no forge: a dialect answers, a contract judges."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from support.forges.state import Problem, Repository
from support.githttpd import GitHttpServer, _Request
from support.serving import in_thread

_MANY = ("ref", "branch", "name")  # parameters that may hold slashes


@dataclass(frozen=True)
class Asked:
    """A request as its route gets it. `user` is whose token came with it; `may` is what a job's token may, by scope."""

    method: str
    template: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    user: str
    base: str
    may: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Seen:
    """A request to the API as it came over the wire."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Canned:
    """An answer that is given once instead of the true one. A status of 0 hangs up."""

    status: int
    body: str = "{}"
    headers: Mapping[str, str] | None = None


class Contract(Protocol):
    def request(self, asked: Asked, raw: bytes) -> list[str]: ...

    def answer(self, asked: Asked, status: int, body: bytes) -> list[str]: ...


class Dialect(Protocol):
    """`routes` are by "METHOD /path/{parameter}"; each returns a status and what is to be JSON, None for nothing."""

    prefix: str
    page: tuple[str, int]  # the parameter that says how long pages are, and how long they are without it
    whole: tuple[str, ...]  # the lists that are not in pages
    public: tuple[str, ...]  # what is answered without a token
    routes: Mapping[str, Callable[[Repository, Asked], tuple[int, Any]]]

    def token(self, headers: Mapping[str, str]) -> str: ...

    def unauthorized(self) -> Problem: ...

    def lost(self) -> Problem: ...

    def repository(self, asked: Mapping[str, str]) -> str | None: ...


class ForgeServer(GitHttpServer):
    """A forge with one repository. `violations` are breaches of the contract by either side.

    `jobs` are the tokens of CI jobs: whose each is, and the scopes it has ("read" or "write").
    """

    def __init__(
        self,
        root: Path,
        users: Mapping[str, str],
        dialect: Dialect,
        contract: Contract,
        repository: Repository,
    ):
        super().__init__(root, users)
        self.RequestHandlerClass = _ForgeRequest
        self.dialect, self.contract, self.repository = dialect, contract, repository
        self.jobs: dict[str, tuple[str, Mapping[str, str]]] = {}
        self.seen: list[Seen] = []
        self.canned: list[Canned] = []
        self.violations: list[str] = []
        self.routes = [
            (*key.split(), _pattern(key.split()[1]), route) for key, route in dialect.routes.items()
        ]
        self.routes.sort(key=lambda route: -len(route[1]))

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def api(self) -> str:
        return f"{self.base}{self.dialect.prefix}"

    @property
    def written(self) -> list[Seen]:
        """What was asked that is to change something."""
        return [seen for seen in self.seen if seen.method != "GET"]

    def whose(self, token: str) -> tuple[str | None, Mapping[str, str] | None]:
        """Return who asks with a token, None if nobody has it; and what it may, None if that is whatever they may."""
        person = next((user for user, known in self.users.items() if known == token), None)
        return self.jobs.get(token, (person, None))


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(
        re.sub(
            r"\\\{(\w+)\\\}",
            lambda m: f"(?P<{m[1]}>{'.+' if m[1] in _MANY else '[^/]+'})",
            re.escape(template),
        )
    )


@contextlib.contextmanager
def serving(server: ForgeServer) -> Iterator[ForgeServer]:
    """Run a server for as long as the block lasts, and see that nobody broke the contract."""
    with in_thread(server):
        yield server
    assert server.violations == [], "\n".join(server.violations)


class _ForgeRequest(_Request):
    server: ForgeServer

    def do_GET(self) -> None:
        if not self.path.startswith(f"{self.server.dialect.prefix}/"):
            super().do_GET()
            return
        raw = self._body()
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers), raw.decode()))
        if self.server.canned:
            canned = self.server.canned.pop(0)
            if canned.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            self._say(canned.status, canned.body.encode(), canned.headers or {})
            return
        try:
            status, body, headers = self._routed(raw)
        except Problem as problem:
            status, body, headers = problem.status, json.dumps(problem.body).encode(), problem.headers
        self._say(status, body, headers)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _routed(self, raw: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        server, dialect = self.server, self.server.dialect
        url = urlsplit(self.path)
        user, may = server.whose(dialect.token(self.headers))
        path = url.path.removeprefix(dialect.prefix)
        if user is None and path not in dialect.public:
            raise dialect.unauthorized()
        asked, route = self._route(path, dict(parse_qsl(url.query)), raw, user or "", may)
        breaches = server.contract.request(asked, raw)
        server.violations += [f"{asked.method} {url.path}: {breach}" for breach in breaches]
        if breaches:
            raise Problem(422, {"message": "; ".join(breaches)})
        named = dialect.repository(asked.params)
        if named is not None and named != server.repository.path:
            raise dialect.lost()
        server.repository.refresh()
        try:
            status, found = route(server.repository, asked)
            headers: Mapping[str, str] = {}
            if isinstance(found, list) and not asked.template.endswith(dialect.whole):
                found, headers = self._page(found, asked)
            body = b"" if found is None else json.dumps(found).encode()
        except Problem as problem:
            status, body, headers = problem.status, json.dumps(problem.body).encode(), problem.headers
        for breach in server.contract.answer(asked, status, body):
            server.violations.append(f"{asked.method} {url.path} answered {status}: {breach}")
        return status, body, headers

    def _route(
        self, path: str, query: dict[str, str], raw: bytes, user: str, may: Mapping[str, str] | None
    ) -> tuple[Asked, Callable[[Repository, Asked], tuple[int, Any]]]:
        for method, template, pattern, route in self.server.routes:
            match = pattern.fullmatch(path)
            if method == self.command and match:
                params = {name: unquote(value) for name, value in match.groupdict().items()}
                body = json.loads(raw) if raw else {}
                return Asked(method, template, params, query, body, user, self.server.base, may), route
        raise self.server.dialect.lost()

    def _page(self, items: list[Any], asked: Asked) -> tuple[list[Any], Mapping[str, str]]:
        name, usual = self.server.dialect.page
        size, page = int(asked.query.get(name, usual)), int(asked.query.get("page", 1))
        rest = items[size * page :]
        query = "&".join(f"{k}={quote(v)}" for k, v in {**asked.query, "page": str(page + 1)}.items())
        link = f'<{self.server.base}{urlsplit(self.path).path}?{query}>; rel="next"'
        return items[size * (page - 1) : size * page], {"Link": link} if rest else {}

    def _say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
