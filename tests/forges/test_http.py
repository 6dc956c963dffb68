"""Asking over HTTP: patience, refusals, and a token that goes to one address only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from muster.backends.forges.http import MAX_ANSWER, Api, probe
from muster.core.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from support.serving import in_thread

TOKEN = "a-secret-token"


class Script(ThreadingHTTPServer):
    """Gives the answers it is told to, one after the other, the last one for ever: (status, headers, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, status: int, body: object = None, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, content))

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is what some tests are about."""


class _Answering(BaseHTTPRequestHandler):
    server: Script

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        answers = self.server.answers
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if status == 0:
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def script() -> Iterator[Script]:
    with in_thread(Script()) as server:
        yield server


@pytest.fixture
def other() -> Iterator[Script]:
    with in_thread(Script()) as server:
        server.say(200, {"stolen": True})
        yield server


class Clock:
    """Time that passes only by sleeping. It begins at 1000 seconds."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def api(script: Script, clock: Clock | None = None) -> Api:
    clock = clock or Clock()
    return Api(f"{script.origin}/api", TOKEN, sleep=clock.sleep, clock=lambda: clock.now)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, Invalid, "does not take it: no"),
        (401, Refused, "does not accept the token: no"),
        (403, Refused, "does not allow it: no"),
        (404, NotFound, "or your token may not see it"),
        (405, Refused, "does not allow it: no"),
        (409, Conflict, "has changed: no"),
        (410, NotFound, "or your token may not see it"),
        (418, Unavailable, "status 418: no"),
        (422, Invalid, "does not take it: no"),
        (500, Unavailable, "status 500: no"),
    ],
)
def test_a_status_says_what_to_do_next(
    script: Script, status: int, error: type[Exception], words: str
) -> None:
    script.say(status, {"message": "no."})
    with pytest.raises(error, match=words):
        api(script).get("/x")


def test_a_status_that_is_expected_is_an_answer(script: Script) -> None:
    script.say(409, {"message": "no"})
    answer = api(script).ask("PUT", "/x", {}, expect=(409,))
    assert (answer.status, answer.words) == (409, "no")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]},
            "Validation Failed; head invalid",
        ),
        ({"message": "A", "errors": [{"message": "B", "code": "custom"}, "C"]}, "A; B; C"),
        ({"message": {"base": ["one", "two"]}}, "base one; base two"),
        ({"message": ["one", "two"]}, "one; two"),
        ({"error": "title is missing"}, "title is missing"),
        ({"message": f"bad {TOKEN}"}, r"bad \*\*\*"),
        ({"message": "a\x1b[2Jb\nc"}, r"a \[2Jb c"),
        ({"message": "x" * 900}, "x{500}\\.\\.\\.$"),
        ([], "does not take it$"),
        (b"<html>", "does not take it$"),
        (b"[" * 100_000, "does not take it$"),
    ],
)
def test_the_forges_own_reasons_are_said_and_nothing_that_harms(
    script: Script, body: object, words: str
) -> None:
    script.say(422, body)
    with pytest.raises(Invalid, match=words):
        api(script).get("/x")


@pytest.mark.parametrize("status", [502, 503, 504, 0])
def test_reading_is_tried_again_when_a_server_stumbles(script: Script, status: int) -> None:
    clock = Clock()
    script.say(status)
    script.say(status)
    script.say(200, {"ok": 1})
    assert api(script, clock).get("/x") == {"ok": 1}
    assert len(script.seen) == 3
    assert 0.5 <= clock.slept[0] <= 1 <= clock.slept[1] <= 2


@pytest.mark.parametrize("status", [503, 0])
def test_it_is_given_up_in_the_end(script: Script, status: int) -> None:
    script.say(status)
    with pytest.raises(Unavailable):
        api(script).get("/x")
    assert len(script.seen) == 4


@pytest.mark.parametrize("status", [502, 0])
def test_writing_is_not_tried_again_as_it_may_have_been_done(script: Script, status: int) -> None:
    script.say(status)
    with pytest.raises(Unavailable):
        api(script).ask("POST", "/x", {})
    assert len(script.seen) == 1


def test_what_listens_nowhere_is_unavailable_and_the_token_stays_unsaid() -> None:
    clock = Clock()
    with pytest.raises(Unavailable, match="cannot be reached") as raised:
        Api("http://127.0.0.1:9", TOKEN, sleep=clock.sleep).get("/x")
    assert TOKEN not in str(raised.value) and "HTTPS_PROXY" in raised.value.hint


@pytest.mark.parametrize(
    ("status", "headers", "slept"),
    [
        (429, {"Retry_After": "7"}, 7),
        (403, {"Retry_After": "7"}, 7),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1030"}, 30),
        (429, {"RateLimit_Remaining": "0", "RateLimit_Reset": "1030"}, 30),
        (429, {"Retry_After": "0"}, 1),
        (429, {}, 30),
    ],
)
def test_a_short_rate_limit_is_waited_for_by_reader_and_writer(
    script: Script, status: int, headers: dict[str, str], slept: float
) -> None:
    for method in ("GET", "POST"):
        script.answers.clear()
        clock = Clock()
        script.say(status, {"message": "slow down"}, **headers)
        script.say(200, {"ok": 1})
        assert api(script, clock).ask(method, "/x").body == {"ok": 1}
        assert clock.slept == [slept]


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"Retry_After": "61"}, "1970-01-01T00:17:41Z"),
        ({"Retry_After": "25"}, "1970-01-01T00:17:55Z"),  # twice is waited for, the third time is too much
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "5000"}, "1970-01-01T01:23:20Z"),
        ({"Retry_After": "9" * 9000}, "a time it does not make clear"),
    ],
)
def test_a_long_rate_limit_says_until_when(script: Script, headers: dict[str, str], until: str) -> None:
    script.say(403, {"message": "slow down"}, **headers)
    clock = Clock()
    with pytest.raises(Unavailable, match=f"no more requests until {until}"):
        api(script, clock).get("/x")
    assert sum(clock.slept) <= 60


def test_a_403_without_a_limit_is_a_refusal_at_once(script: Script) -> None:
    script.say(403, {"message": "no"}, x_ratelimit_remaining="12", x_ratelimit_reset="5000")
    with pytest.raises(Refused):
        api(script).get("/x")
    assert len(script.seen) == 1


def test_a_list_is_read_page_after_page(script: Script) -> None:
    script.say(200, [1, 2], Link=f'<{script.origin}/api/x?page=2>; rel="next"')
    script.say(200, [3], Link=f'<{script.origin}/api/x?page=1>; rel="prev"')
    assert list(api(script).all("/x", per_page=2)) == [1, 2, 3]
    assert [path for _, path, _ in script.seen] == ["/api/x?per_page=2", "/api/x?page=2"]


def test_pages_without_end_and_no_list_at_all_are_given_up(script: Script) -> None:
    script.say(200, [1], Link=f'<{script.origin}/api/x>; rel="next"')
    with pytest.raises(Unavailable, match="more than"):
        list(api(script).all("/x"))
    script.answers.clear()
    script.say(200, {"a": 1})
    with pytest.raises(Unavailable, match="something else than a list"):
        list(api(script).all("/x"))


def test_no_page_is_fetched_from_another_host(script: Script, other: Script) -> None:
    for away in (
        other.origin,
        script.origin.replace("http:", "https:"),
        script.origin.replace("127.0.0.1", "localhost"),
    ):
        script.answers.clear()
        script.say(200, [1], Link=f'<{away}/api/x?page=2>; rel="next"')
        with pytest.raises(Refused, match="not to have your token"):
            list(api(script).all("/x"))
    assert other.seen == []


def test_reading_follows_a_redirect_on_the_same_host(script: Script) -> None:
    script.say(301, {"message": "Moved Permanently"}, Location="/api/repositories/7")
    script.say(200, {"ok": 1})
    assert api(script).get("/x", a=1) == {"ok": 1}
    assert [path for _, path, _ in script.seen] == ["/api/x?a=1", "/api/repositories/7"]


def test_no_redirect_takes_the_token_elsewhere(script: Script, other: Script) -> None:
    script.say(302, {}, Location=f"{other.origin}/api/x")
    with pytest.raises(Refused, match="not to have your token"):
        api(script).get("/x")
    assert other.seen == []


def test_writing_follows_no_redirect(script: Script) -> None:
    script.say(307, {}, Location="/api/y")
    with pytest.raises(Refused, match="has moved"):
        api(script).ask("POST", "/x", {})
    assert len(script.seen) == 1


def test_redirects_without_end_are_given_up(script: Script) -> None:
    script.say(302, {}, Location="/api/x")
    with pytest.raises(Unavailable, match="without end"):
        api(script).get("/x")


def test_the_password_of_a_netrc_does_not_stand_in_for_the_token(
    script: Script, sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = sealed / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ann password wrong\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    script.say(200, {})
    api(script).get("/x")
    probe(script.origin)
    assert script.seen[0][2]["Authorization"] == f"Bearer {TOKEN}"
    assert all("Authorization" not in headers for _, _, headers in script.seen[1:])


def test_an_answer_that_is_too_large_or_no_json_is_not_taken(script: Script) -> None:
    script.say(200, b"[" + b" " * MAX_ANSWER + b"]")
    with pytest.raises(Unavailable, match="more than 16 MB"):
        api(script).get("/x")
    script.answers.clear()
    script.say(200, b"<html>log in</html>")
    with pytest.raises(Unavailable, match="not JSON"):
        api(script).get("/x")


def test_a_proxy_of_the_environment_is_used(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", script.origin)
    script.say(200, {"ok": 1})
    assert Api("http://forge.example/api", TOKEN).get("/x") == {"ok": 1}
    assert script.seen[0][1] == "http://forge.example/api/x"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([(200, {"version": "1.23.0"}, {})], "gitea"),
        ([(404, {}, {}), (200, {"version": "17.1", "revision": "a"}, {})], "gitlab"),
        ([(404, {}, {}), (401, {"message": "401 Unauthorized"}, {})], "gitlab"),
        (
            [
                (404, {}, {}),
                (404, {}, {}),
                (200, {"installed_version": "3.17"}, {"x_github_request_id": "1"}),
            ],
            "github",
        ),
        ([(404, {}, {}), (404, {}, {}), (401, {"message": "x"}, {"x_github_request_id": "1"})], "github"),
        ([(200, b"<html>", {})], None),
        ([(200, ["version"], {})], None),
        ([(500, {}, {})], None),
        ([(0, {}, {})], None),
        ([(302, {"version": "1"}, {"Location": "/login"})], None),
    ],
)
def test_a_host_says_itself_what_it_is(script: Script, answers: list, kind: str | None) -> None:
    for status, body, headers in answers:
        script.say(status, body, **headers)
    assert probe(script.origin) == kind
    assert all("Authorization" not in headers for _, _, headers in script.seen)


def test_an_answer_that_lacks_what_it_promises_is_the_forges_fault(script: Script) -> None:
    script.say(200, {"user": {"login": "ann"}})
    body = Api(script.origin, TOKEN).get("/pulls/1")
    assert body["user"]["login"] == "ann"
    with pytest.raises(Unavailable, match="no 'head'"):
        body["head"]
