"""A published index on a web server: how little is asked of it, and what servers, proxies and caches do to it."""

from __future__ import annotations

import gzip
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import muster
from muster import Integrity, NotFound, Refused, Registry, Unavailable
from muster.core import published
from support import webserver
from support.plain_index import write_root
from support.published import BOMB, LATER, ago, cached, champion, index_of, moved, opened, states
from support.registry import edited, version
from support.webserver import Site, site

pytestmark = pytest.mark.slow


@pytest.fixture
def top(tmp_path: Path) -> Path:
    index_of(tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def served(top: Path) -> Iterator[Site]:
    with site(top) as running:
        yield running


# --- how much it asks ----------------------------------------------------------------------------------------------


def test_a_pointer_is_two_requests_and_one_that_nothing_has_moved(served: Site, sealed: Path) -> None:
    with opened(served) as registry:
        assert registry.get("bikes@champion").version == 2
        assert [status for _, status in served.asked] == [200, 200]
        served.forget()
        assert registry.get("bikes@champion").version == 2
        assert served.asked == [("/root.json", 304)]
    served.forget()
    assert opened(served).get("bikes@champion").version == 2  # another process
    assert served.asked == [("/root.json", 304)]
    assert served.connections == 2


def test_where_the_files_are_is_one_request_more_unless_the_root_says_it(served: Site, sealed: Path) -> None:
    assert opened(served).resolve("bikes@champion").uri.startswith("s3://models/registry/files/md5/")
    assert served.statuses == {200: 3}
    shutil.rmtree(sealed / ".cache")
    index_of(
        served.top,
        artifacts="https://cdn.example/models",
        commit=LATER,
        at=ago(hours=1),
        committed=ago(hours=1),
    )
    served.forget()
    assert opened(served).resolve("bikes@champion").uri.startswith("https://cdn.example/models/files/md5/")
    assert served.statuses == {200: 2}


def test_a_change_is_seen_at_once_and_costs_what_changed(served: Site) -> None:
    with opened(served) as registry:
        registry.get("bikes@champion")
        index_of(served.top, moved(3), commit=LATER, committed=ago(minutes=1), at=ago(minutes=1))
        served.forget()
        assert registry.get("bikes@champion").version == 3
        assert len(served.asked) == 2 and served.statuses == {200: 2}


def test_with_max_age_nobody_is_asked_while_the_answer_is_young(served: Site) -> None:
    index_of(served.top, at=ago(minutes=1), committed=ago(minutes=2))
    assert champion(served) == 2
    served.forget()
    assert champion(served, max_age=3600) == 2
    assert served.asked == []
    assert champion(served, max_age=0) == 2  # the server says now that it is so
    assert served.asked == [("/root.json", 304)]


def test_offline_answers_from_what_was_read_and_asks_nobody(served: Site) -> None:
    with pytest.raises(Unavailable, match="never read"):
        champion(served, offline=True)
    assert champion(served) == 2
    served.forget()
    assert champion(served, offline=True) == 2
    with pytest.raises(Unavailable, match="was not read yet"):
        opened(served, offline=True).get("bikes/6")
    assert served.asked == []


def test_a_list_of_everything_comes_over_few_connections(served: Site) -> None:
    from support.registry import built

    many = built(*(version(f"model-{n}", f"content {n}") for n in range(60)))
    index_of(served.top, many, commit=LATER, at=ago(minutes=1), committed=ago(minutes=1))
    with opened(served) as registry:
        assert len(registry.search()) == 60
    assert served.connections <= 9


# --- whom it believes ----------------------------------------------------------------------------------------------


def test_a_cache_on_the_way_that_is_behind_is_asked_past(served: Site) -> None:
    old = (served.top / "root.json").read_bytes()
    index_of(served.top, moved(3), commit=LATER, committed=ago(hours=1), at=ago(hours=1))
    assert champion(served) == 3
    served.faults.append(webserver.first(1, webserver.only("root.json", webserver.body(old))))
    assert champion(served) == 3
    assert served.headers[-1].get("cache-control") == "no-cache"


# --- what servers and disks do to it -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [webserver.hang_up, webserver.cut_short, webserver.status(503)])
def test_what_fails_for_the_moment_is_asked_again(served: Site, fault: Any) -> None:
    served.faults.append(webserver.first(2, fault))
    assert champion(served) == 2


@pytest.mark.parametrize("fault", [webserver.truncated, webserver.flipped, webserver.login_page])
@pytest.mark.parametrize("part", ["root.json", "objects/"])
def test_what_was_altered_on_the_way_once_is_fetched_again(served: Site, fault: Any, part: str) -> None:
    served.faults.append(webserver.first(1, webserver.only(part, fault)))
    assert champion(served) == 2


@pytest.mark.parametrize("fault", [webserver.truncated, webserver.flipped, webserver.login_page])
@pytest.mark.parametrize("part", ["root.json", "objects/"])
def test_what_stays_altered_is_never_believed(served: Site, fault: Any, part: str) -> None:
    served.faults.append(webserver.only(part, fault))
    with pytest.raises(Integrity):
        champion(served)
    served.faults.clear()
    assert champion(served) == 2


def test_a_page_to_log_in_at_is_named_as_such(served: Site) -> None:
    served.faults.append(webserver.login_page)
    with pytest.raises(Integrity, match=r"text/html") as caught:
        champion(served)
    assert "log in" in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (webserver.status(401), Refused, "MUSTER_INDEX_TOKEN"),
        (webserver.status(403), Refused, "MUSTER_INDEX_TOKEN"),
        (webserver.status(404), NotFound, "correct the URL"),
        (webserver.status(400), Unavailable, "correct the URL"),
        (webserver.status(500), Unavailable, "--offline"),
        (webserver.hang_up, Unavailable, "--offline"),
        (webserver.status(302, Location="/root.json"), Unavailable, "correct the URL"),
        (webserver.status(302, Location="file:///etc/passwd"), Refused, "correct the URL"),
    ],
)
def test_a_server_that_will_not_or_cannot_is_named_with_what_to_do(
    served: Site, fault: Any, error: type[muster.MusterError], words: str
) -> None:
    served.faults.append(fault)
    with pytest.raises(error) as caught:
        champion(served)
    assert words in caught.value.hint and served.url in str(caught.value)


def test_a_redirect_is_followed(served: Site, tmp_path: Path) -> None:
    with site(tmp_path) as other:
        other.faults.append(lambda path, _: webserver.Answer(302, b"", {"Location": f"{served.url}{path}"}))
        assert champion(other) == 2


def test_credentials_go_to_the_host_they_are_for(served: Site, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MUSTER_INDEX_TOKEN", "t0ken")
    with site(tmp_path) as other:
        other.faults.append(lambda path, _: webserver.Answer(302, b"", {"Location": f"{served.url}{path}"}))
        assert champion(other) == 2
        assert all(headers["authorization"] == "Bearer t0ken" for headers in other.headers)
        assert not any("authorization" in headers for headers in served.headers)


def test_a_password_of_netrc_and_one_of_the_location_are_sent(served: Site, sealed: Path) -> None:
    (sealed / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    champion(served)
    assert served.headers[0]["authorization"] == "Basic YW5uOnNlY3JldA=="
    Registry(f"index+{served.url.replace('//', '//bob:pw@')}").get("bikes@champion")
    assert served.headers[-1]["authorization"] == "Basic Ym9iOnB3"


def test_a_proxy_of_the_environment_is_used_and_no_proxy_goes_past_it(
    served: Site, tmp_path: Path, monkeypatch: Any
) -> None:
    asked: list[str] = []

    def forwarded(path: str, _: webserver.Answer) -> webserver.Answer:
        asked.append(path)
        return webserver.Answer(200, (served.top / path.split("/acme/")[1]).read_bytes())

    with site(tmp_path) as proxy:
        proxy.faults.append(forwarded)
        monkeypatch.setenv("http_proxy", proxy.url)
        with Registry("index+http://cdn.example/acme") as registry:
            assert registry.get("bikes@champion").version == 2
        assert asked[0] == "http://cdn.example/acme/root.json"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        asked.clear()
        assert champion(served) == 2
        assert asked == []


@pytest.mark.slow
@pytest.mark.parametrize("part", ["root.json", "objects/"])
@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        gzip.compress(BOMB),
        gzip.compress(gzip.compress(BOMB)),
        b"[" * 200_000,
        b"",
        b"\x1f\x8b",
        b"null",
    ],
    ids=["bomb", "twice", "thrice", "nested", "empty", "magic", "null"],
)
def test_files_that_unpack_without_end_or_nest_or_are_empty_are_refused(
    served: Site, part: str, data: bytes
) -> None:
    served.faults.append(webserver.only(part, webserver.body(data)))
    with pytest.raises(Integrity):
        champion(served)


def test_a_root_that_is_said_to_be_huge_is_not_read(served: Site) -> None:
    served.faults.append(
        lambda path, answer: webserver.Answer(200, b"{", answer.headers, published.MAX_ROOT + 1)
    )
    with pytest.raises(Integrity, match="more than"):
        champion(served)


def test_a_server_that_says_unchanged_to_who_knows_nothing_is_not_believed(served: Site) -> None:
    served.faults.append(webserver.status(304))
    with pytest.raises(Unavailable, match="304"):
        champion(served)


def test_a_server_without_entity_tags_is_asked_for_the_whole_root(served: Site) -> None:
    def without(path: str, answer: webserver.Answer) -> webserver.Answer:
        answer.headers.pop("ETag", None)
        return answer

    served.faults.append(without)
    assert (champion(served), champion(served)) == (2, 2)
    assert served.statuses == {200: 3}


def test_a_server_that_compresses_what_is_compressed_is_understood(served: Site) -> None:
    served.faults.append(
        lambda path, answer: webserver.Answer(
            answer.status, gzip.compress(answer.body), {**answer.headers, "Content-Encoding": "gzip"}
        )
    )
    assert champion(served) == 2


def test_a_server_that_unpacks_objects_is_understood(served: Site) -> None:
    served.faults.append(
        webserver.only(
            "objects/",
            lambda path, answer: webserver.Answer(200, gzip.decompress(answer.body), answer.headers),
        )
    )
    assert (champion(served), champion(served)) == (2, 2)
    assert len(served.asked) == 3


@pytest.mark.parametrize("data", [b"", b"{}", b"\x1f\x8b\x08", b"\xff" * 1000])
def test_whatever_is_damaged_in_the_cache_is_fetched_again(served: Site, sealed: Path, data: bytes) -> None:
    champion(served)
    for path in cached(sealed).rglob("*"):
        if path.is_file():
            path.write_bytes(data)
    served.forget()
    assert champion(served) == 2
    assert served.statuses == {200: 2}
    served.forget()
    assert champion(served) == 2
    assert served.statuses == {304: 1}


def test_a_cache_that_cannot_be_written_keeps_nobody_from_an_answer(
    served: Site, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "file").write_text("")
    assert champion(served, cache=tmp_path / "file" / "cache") == 2


def test_a_read_begins_again_when_what_it_reads_was_taken_away(served: Site, sealed: Path) -> None:
    young = {"committed": ago(hours=2), "at": ago(hours=2)}
    index_of(served.top, commit="a" * 40, **young)
    with opened(served, max_age=24 * 3600) as registry:
        assert registry.get("bikes@champion").version == 2
        shutil.rmtree(served.top / "objects")
        told = {"models/bikes/annotations/6.yaml": b"schema: 1\ndescription: the sixth\n"}
        later = edited(moved(3), told)
        index_of(served.top, later, commit=LATER, committed=ago(hours=1), at=ago(hours=1))
        assert registry.get("bikes@champion").version == 2  # young enough, and all of it is here
        assert (
            registry.get("bikes/6").description == "the sixth"
        )  # it is not here: so the newer state is read
        assert registry.get("bikes@champion").version == 3


def test_an_index_that_lacks_a_file_is_said_to_lack_it(served: Site) -> None:
    shutil.rmtree(served.top / "objects")
    with pytest.raises(Unavailable, match=r"is not whole: objects/.* is missing"):
        champion(served)


# --- many at once --------------------------------------------------------------------------------------------------


def test_in_the_middle_of_publishing_each_reader_sees_one_state_whole(served: Site) -> None:
    (one, _), (two, _) = states(served.top)
    write_root(served.top, one)
    expected = {one.commit: 2, two.commit: 3}
    seen: list[tuple[str, int]] = []
    stop = threading.Event()

    def read() -> None:
        with opened(served) as registry:
            while not stop.is_set():
                found = registry.resolve("bikes@champion")
                seen.append((str(found.commit), found.version))

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(8)]
        time.sleep(0.2)
        write_root(served.top, two)
        time.sleep(0.2)
        stop.set()
        for reader in readers:
            reader.result()
    assert {commit for commit, _ in seen} == set(expected)
    assert all(expected[commit] == number for commit, number in seen)


def test_many_threads_share_one_reader(served: Site) -> None:
    with opened(served) as registry, ThreadPoolExecutor(16) as pool:
        references = ["bikes@champion", "bikes/6", "taxis/1", "vans/production", "bikes/1.4.0"] * 20
        found = [str(v) for v in pool.map(registry.get, references)]
    assert found == ["bikes/2", "bikes/6", "taxis/1", "vans/1", "bikes/3"] * 20


def test_a_reader_that_was_told_just_before_another_saw_more_asks_again(served: Site, sealed: Path) -> None:
    (one, _), (two, _) = states(served.top)
    write_root(served.top, one)
    with opened(served) as slow, opened(served) as fast:
        assert slow.get("bikes@champion").version == 2

        def meanwhile(path: str, answer: webserver.Answer) -> webserver.Answer:
            """The slow one's answer is on its way while the index moves on and the fast one sees it."""
            served.faults.clear()
            write_root(served.top, two)
            assert fast.get("bikes@champion").version == 3
            return answer

        served.faults.append(meanwhile)
        assert slow.get("bikes@champion").version == 3
