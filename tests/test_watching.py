"""Watching a reference: each version once, verified first, whatever goes wrong in between.

No test sleeps: each watch is given a `wait` that does the next thing of a script instead.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from muster import Integrity, Invalid, NotFound, Registry
from muster.core.errors import Conflict, Unavailable
from muster.reader import Reader
from muster.resolved import Update
from muster.watching import SLOWEST, _Stopped
from support.cli import bikes
from support.gitcli import git
from support.githttpd import git_http_server
from support.publishing import publish

Step = Callable[[], object]


class Script:
    """Does one step at each wait, and ends the watch after the last; keeps how long each wait would have been."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._steps: Iterator[Step] = iter(tuple(steps))
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.waits.append(seconds)
        step = next(self._steps, None)
        if step is not None:
            step()
        return step is None


class Seen:
    """What a watch has called."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.errors: list[Exception] = []

    def change(self, update: Update) -> None:
        assert sorted(path.name for path in update.after.path.iterdir()) == [
            f"{update.after.resolved.version}.bin"
        ]
        self.updates.append(update)

    def error(self, error: Exception, delay: float) -> None:
        assert delay > 0
        self.errors.append(error)

    @property
    def versions(self) -> list[int]:
        return [update.after.resolved.version for update in self.updates]


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The registry of bikes, where 3 is @champion and 2 is in production."""
    return bikes(tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A registry whose artifacts are where a reader finds them who knows its URL alone; 3 is @champion."""
    path = tmp_path / "served" / "server.git"
    path.parent.mkdir()
    with Registry.create(path, bare=True) as registry:
        for number in (1, 2, 3):
            (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 2000)
            registry.register("bikes", tmp_path / f"{number}.bin")
        registry.set_alias("champion", "bikes/3")
    return path


def point(server: Path, version: int, alias: str = "champion") -> Step:
    def step() -> None:
        with Registry(server) as registry:
            registry.set_alias(alias, f"bikes/{version}")

    return step


def unpoint(server: Path) -> Step:
    def step() -> None:
        with Registry(server) as registry:
            registry.delete_alias("bikes", "champion")

    return step


def nothing() -> None:
    """A poll at which nothing has happened."""


def watched(location: Path | str, *steps: Step, seen: Seen | None = None, **said: Any) -> Seen:
    """Watch bikes@champion through a script; return what was called."""
    seen = seen or Seen()
    with Reader(location) as registry:
        said = {"on_error": seen.error, "wait": Script(steps), **said}
        registry.watch("bikes@champion", said.pop("on_change", seen.change), **said).run()
    return seen


def objects_of(server: Path) -> Path:
    return server.parent / "server.git.artifacts" / "files" / "md5"


def spoil(server: Path, number: int) -> bytes:
    """Flip a bit of a version's file in the remote; return what it was."""
    held = bytes([number]) * 2000
    path = next(p for p in objects_of(server).rglob("*") if p.is_file() and p.read_bytes() == held)
    path.chmod(0o644)
    path.write_bytes(bytes([number ^ 1]) + held[1:])
    return held


def mend(server: Path, number: int) -> None:
    held = bytes([number]) * 2000
    for path in objects_of(server).rglob("*"):
        if path.is_file() and path.read_bytes()[1:] == held[1:] and path.stat().st_size == 2000:
            path.write_bytes(held)


def test_the_current_version_comes_first_and_each_other_one_once(server: Path) -> None:
    seen = watched(server, nothing, point(server, 2), nothing, nothing, point(server, 1), nothing)
    assert seen.versions == [3, 2, 1]
    assert [u.before and u.before.resolved.version for u in seen.updates] == [None, 3, 2]
    assert [u.commit for u in seen.updates] == [u.after.resolved.commit for u in seen.updates]
    assert seen.errors == []


def test_what_is_handed_over_is_what_resolve_answers_and_cannot_be_written(server: Path) -> None:
    with Registry(server) as registry:
        wanted = registry.resolve("bikes@champion")
    (update,) = watched(server).updates
    assert update.after.resolved == wanted
    assert (update.after.path / "3.bin").read_bytes() == b"\x03" * 2000
    assert (update.after.path / "3.bin").stat().st_mode & 0o222 == 0


def test_a_move_away_and_back_between_two_looks_is_none(server: Path) -> None:
    def both() -> None:
        point(server, 2)(), point(server, 3)()

    assert watched(server, both, nothing).versions == [3]


def test_what_moves_elsewhere_in_the_registry_is_no_change(server: Path) -> None:
    assert watched(server, point(server, 3, "other"), nothing).versions == [3]


def test_an_alias_that_flips_back_and_forth_is_followed_in_order(server: Path) -> None:
    flips = [point(server, version) for version in (2, 3, 2, 3)]
    assert watched(server, *flips).versions == [3, 2, 3, 2, 3]


def test_a_pointer_that_is_gone_is_reported_and_the_old_version_stays(server: Path) -> None:
    seen = watched(server, unpoint(server), nothing, point(server, 3), point(server, 1))
    assert seen.versions == [3, 1]
    assert [type(error) for error in seen.errors] == [NotFound, NotFound]


def test_bytes_that_are_not_what_was_registered_are_never_handed_over(server: Path) -> None:
    spoil(server, 2)
    seen = watched(server, point(server, 2), nothing, lambda: mend(server, 2))
    assert seen.versions == [3, 2]
    assert [type(error) for error in seen.errors] == [Integrity, Integrity]


def test_a_version_with_other_bytes_does_not_keep_the_next_one_from_coming(server: Path) -> None:
    spoil(server, 2)
    seen = watched(server, point(server, 2), point(server, 1))
    assert seen.versions == [3, 1]


def test_a_call_that_raises_is_reported_and_made_again(server: Path) -> None:
    seen, left = Seen(), [3]

    def stubborn(update: Update) -> None:
        if left[0]:
            left[0] -= 1
            raise ValueError("no memory")
        seen.change(update)

    watched(server, nothing, nothing, nothing, nothing, seen=seen, on_change=stubborn)
    assert seen.versions == [3]
    assert [str(error) for error in seen.errors] == ["no memory"] * 3


def test_it_waits_ever_longer_while_something_is_wrong_and_as_before_once_it_is_right(server: Path) -> None:
    script = Script([unpoint(server), *[nothing] * 7, point(server, 1), nothing])
    watched(server, wait=script, interval=10.0)
    first, *failing = script.waits[:9]
    assert 8 <= first <= 12
    for number, wait in enumerate(failing):
        assert min(8 * 2**number, SLOWEST) <= wait <= min(12 * 2**number, SLOWEST)
    assert all(8 <= wait <= 12 for wait in script.waits[9:])


def test_two_watchers_do_not_wait_in_step(server: Path) -> None:
    script = Script([nothing] * 5)
    watched(server, wait=script)
    assert len(set(script.waits)) == 6
    assert all(24 <= wait <= 36 for wait in script.waits)


def test_an_interval_longer_than_the_slowest_retry_stays_as_long(server: Path) -> None:
    script = Script([unpoint(server), nothing, nothing])
    watched(server, wait=script, interval=4000.0)
    assert all(3200 <= wait <= 4800 for wait in script.waits)


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_an_interval_that_is_none_is_refused(server: Path, interval: float) -> None:
    with Reader(server) as registry, pytest.raises(Invalid, match="not a time to wait"):
        registry.watch("bikes@champion", print, interval=interval)


@pytest.mark.parametrize("reference", ["bikes", "bikes@", "@champion", ""])
def test_what_names_no_version_is_refused_at_once(server: Path, reference: str) -> None:
    with Reader(server) as registry, pytest.raises(Invalid):
        registry.watch(reference, print)


def test_what_the_callback_for_errors_raises_ends_the_watch(server: Path) -> None:
    def give_up(error: Exception, _delay: float) -> None:
        raise error

    with pytest.raises(NotFound):
        watched(server, unpoint(server), nothing, on_error=give_up)


def test_errors_are_logged_where_nobody_takes_them(server: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched(server, unpoint(server), nothing, on_error=None)
    assert "bikes@champion: model 'bikes' has no alias 'champion'" in caplog.text


def test_a_watch_looks_once_on_request_and_raises_what_stands_in_the_way(server: Path) -> None:
    seen = Seen()
    with Registry(server) as registry:
        watch = registry.watch("bikes@champion", seen.change)
        assert watch.delivered is None
        first = watch.poll()
        assert first is not None
        assert watch.delivered == first.after
        assert watch.poll() is None
        unpoint(server)()
        with pytest.raises(NotFound):
            watch.poll()
        assert watch.delivered == first.after
    assert seen.versions == [3]


def test_a_watch_in_a_thread_ends_at_once_while_it_waits(server: Path) -> None:
    came = threading.Event()
    with Registry(server) as registry:
        watch = registry.watch("bikes@champion", lambda _: came.set(), interval=100_000)
        with watch:
            assert came.wait(30)
        assert watch._thread is not None
        assert not watch._thread.is_alive()


def test_a_watch_can_be_stopped_by_what_it_calls(server: Path) -> None:
    with Registry(server) as registry:
        watch = registry.watch("bikes@champion", lambda _: watch.stop())
        watch.start()
        assert watch._thread is not None
        watch._thread.join(30)
        assert not watch._thread.is_alive()


def test_a_watch_that_is_stopped_while_it_brings_files_hands_nothing_over(server: Path) -> None:
    seen = Seen()
    with Registry(server) as registry:
        watch = registry.watch("bikes@champion", seen.change, on_error=seen.error)
        watch._stopped.set()  # as `stop` does, at the worst moment
        with pytest.raises(_Stopped):
            watch.poll(watch._unless_stopped)
    assert (seen.versions, seen.errors) == ([], [])


def test_what_was_handed_over_is_remembered_across_a_restart(server: Path, tmp_path: Path) -> None:
    state = tmp_path / "var" / "state.json"
    assert watched(server, state=state).versions == [3]
    assert watched(server, state=state).versions == []
    point(server, 1)()
    (update,) = watched(server, state=state).updates
    assert update.before is not None
    assert (update.before.resolved.version, update.after.resolved.version) == (3, 1)
    assert [path.name for path in state.parent.iterdir()] == ["state.json"]


def test_a_directory_that_is_mounted_elsewhere_keeps_its_memory(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched(server, output=tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    assert watched(server, output="there").versions == []
    point(server, 2)()
    (update,) = watched(server, output="there").updates
    assert update.before is not None
    assert update.before.path.parent == update.after.path.parent == tmp_path / "there"
    assert current(tmp_path / "there") == "02"


def test_a_directory_has_its_own_memory_and_takes_no_other(server: Path, tmp_path: Path) -> None:
    with Reader(server) as registry, pytest.raises(Invalid, match="a memory already"):
        registry.watch("bikes@champion", print, output=tmp_path, state=tmp_path / "state.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"path": 3}', '{"path": "/", "model": "x"}', "\x00"])
def test_a_memory_that_cannot_be_read_is_none(server: Path, tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text)
    assert watched(server, state=state).versions == [3]
    assert json.loads(state.read_text())["version"] == 3


def test_a_version_whose_call_failed_is_called_again_after_a_restart(server: Path, tmp_path: Path) -> None:
    def fails(update: Update) -> None:
        raise OSError("no")

    watched(server, on_change=fails, output=tmp_path / "out")
    assert not (tmp_path / "out" / "current").is_symlink()
    assert watched(server, output=tmp_path / "out").versions == [3]


# Into a directory


def current(out: Path) -> str:
    assert (out / "current").is_symlink()
    return (out / "current" / next((out / "current").iterdir()).name).read_bytes()[:1].hex()


def test_each_version_is_in_a_directory_of_its_own_and_a_link_names_the_current_one(
    server: Path, tmp_path: Path
) -> None:
    out, links = tmp_path / "out", []

    def look(update: Update) -> None:
        assert (out / "current").resolve() == update.after.path.resolve()
        links.append(current(out))

    watched(server, point(server, 2), point(server, 1), on_change=look, output=out)
    assert links == ["03", "02", "01"]
    assert sorted(p.name.partition("-")[0] for p in out.iterdir()) == [
        ".watched.json",
        "1",
        "2",
        "3",
        "current",
    ]


def test_a_failing_call_leaves_the_link_at_the_old_version(server: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def fails(update: Update) -> None:
        if update.after.resolved.version == 2:
            raise RuntimeError("it does not load")

    watched(server, point(server, 2), nothing, on_change=fails, output=out)
    assert current(out) == "03"


def test_old_versions_go_but_for_the_last_ones_and_nothing_else_does(server: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "9-mine").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    steps = [point(server, version) for version in (2, 1, 3, 1)]
    watched(server, *steps, output=out, keep=1)
    assert current(out) == "01"
    kept = {p.name.partition("-")[0] for p in out.iterdir()}
    assert kept == {".watched.json", "9", "notes.txt", "current", "1", "3"}
    watched(server, point(server, 2), output=out, keep=0)
    assert {p.name.partition("-")[0] for p in out.iterdir()} == {
        ".watched.json",
        "9",
        "notes.txt",
        "current",
        "2",
    }


def test_a_directory_that_was_altered_is_not_handed_over_again_as_it_is(server: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    watched(server, point(server, 2), output=out)
    (old,) = out.glob("3-*")
    (old / "3.bin").chmod(0o644)
    (old / "3.bin").write_bytes(b"other")
    (old / "more.bin").write_bytes(b"more")
    seen = Seen()
    watched(server, point(server, 3), output=out, seen=seen)
    assert seen.versions == [3]
    assert [(p.name, p.read_bytes()) for p in (out / "current").iterdir()] == [("3.bin", b"\x03" * 2000)]


@pytest.mark.parametrize("left", ["the directory", "the link", "half a directory"])
def test_what_a_killed_process_left_behind_is_put_right(server: Path, tmp_path: Path, left: str) -> None:
    out = tmp_path / "out"
    watched(server, output=out)
    memory = (out / ".watched.json").read_bytes()
    watched(server, point(server, 2), output=out)
    (out / ".watched.json").write_bytes(memory)  # killed before version 2 counted as handed over
    if left != "the link":
        (out / "current").unlink()
        (out / "current").symlink_to(next(out.glob("3-*")).name)
    if left == "half a directory":
        (next(out.glob("2-*")) / "2.bin").unlink()
    seen = watched(server, output=out)
    assert (seen.versions, current(out)) == ([2], "02")


def test_a_link_that_a_killed_process_moved_goes_back_if_the_version_was_withdrawn(
    server: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    watched(server, output=out)
    memory = (out / ".watched.json").read_bytes()
    watched(server, point(server, 2), output=out)
    (out / ".watched.json").write_bytes(memory)
    point(server, 3)()
    assert current(out) == "02"
    assert watched(server, output=out).versions == []
    assert current(out) == "03"


@pytest.mark.parametrize(
    ("field", "value"), [("version: 3", "version: ../../x"), ("digest: sha256:", "digest: ../../../x")]
)
def test_a_manifest_that_nobody_checked_names_no_place_outside_the_directory(
    server: Path, tmp_path: Path, field: str, value: str
) -> None:
    path = "models/bikes/versions/3.yaml"
    publish(server, {path: git(server, "show", f"main:{path}").replace(field, value).encode() + b"\n"})
    out = tmp_path / "a" / "b" / "out"
    seen = watched(server, output=out)
    assert (seen.versions, [type(error) for error in seen.errors]) == ([], [Integrity])
    assert list((tmp_path / "a").rglob("*")) in ([out.parent], [])


def test_a_link_that_is_no_link_is_left_alone(server: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "current").mkdir(parents=True)
    seen = watched(server, output=tmp_path / "out")
    assert [type(error) for error in seen.errors] == [Conflict]
    assert (tmp_path / "out" / "current").is_dir()


# From elsewhere, and by many


def test_eight_watchers_of_one_registry_get_each_version_once(server: Path, tmp_path: Path) -> None:
    ready = threading.Barrier(9, timeout=60)
    everyone = [Seen() for _ in range(8)]
    with Registry(server, cache=tmp_path / "cache") as registry:

        def meet(_seconds: float) -> bool:
            ready.wait()  # all have looked
            ready.wait()  # the alias has moved
            return done

        done = False
        watches = [
            registry.watch("bikes@champion", seen.change, on_error=seen.error, wait=meet) for seen in everyone
        ]
        for watch in watches:
            watch.start()
        for version in (2, 1, 3, None):
            ready.wait()
            if version is None:
                done = True
            else:
                point(server, version)()
            ready.wait()
        for watch in watches:
            watch.stop()
    assert [seen.versions for seen in everyone] == [[3, 2, 1, 3]] * 8
    assert [seen.errors for seen in everyone] == [[]] * 8


@pytest.mark.slow
def test_a_server_that_is_gone_for_a_while_is_waited_for_and_each_version_comes_once(
    served: Path, tmp_path: Path
) -> None:
    seen = Seen()
    with git_http_server(served.parent) as httpd:
        hidden = served.with_name("hidden.git")

        def go() -> None:
            served.rename(hidden)

        def come() -> None:
            hidden.rename(served)
            point(served, 2)()

        script = Script([nothing, go, nothing, nothing, come, nothing, nothing])
        with Registry(httpd.url("server.git"), cache=tmp_path / "cache") as registry:
            registry.watch("bikes@champion", seen.change, on_error=seen.error, wait=script, interval=10).run()
    assert seen.versions == [3, 2]
    assert [type(error) for error in seen.errors] == [Unavailable] * 3
    assert script.waits[4] > script.waits[0]


@pytest.mark.slow
def test_a_look_at_a_server_at_which_nothing_moved_fetches_nothing(served: Path, tmp_path: Path) -> None:
    seen = Seen()
    with (
        git_http_server(served.parent) as httpd,
        Registry(httpd.url("server.git"), cache=tmp_path / "cache") as registry,
    ):
        watch = registry.watch("bikes@champion", seen.change)
        watch.poll()
        before = len(httpd.requests)
        watch.poll()
        asked = httpd.requests[before:]
    assert len(asked) <= 2
    assert git(served, "rev-parse", "main").strip() == seen.updates[0].commit
