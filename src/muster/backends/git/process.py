"""Running git: the command line, the environment, and what git said when it failed."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, cast

from ...core.errors import Unavailable
from .address import redact

OLDEST = (2, 34)
Done = subprocess.CompletedProcess[bytes]

# Configuration that a user passes on purpose. The rest (GIT_DIR, GIT_INDEX_FILE ...) is set by a
# git that called us, in a hook or an alias, and speaks of another repository.
_INHERITED = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|EXEC_PATH|(AUTHOR|COMMITTER)_(NAME|EMAIL)|CEILING_DIRECTORIES"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|SSL_\w+|PROXY_SSL_\w+|HTTP_\w+)"
)
_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_NO_REPLACE_OBJECTS": "1",  # an id must name the bytes it is the hash of
}
# No hook of the user's runs for what we do. And `log` must not go over to the other names of a path, which no
# option of its own forbids.
_SETTINGS = ("-c", f"core.hooksPath={os.devnull}", "-c", "log.follow=false")
_CHUNK = 1 << 16


class Git:
    """Runs git in one place: in `directory`, or on the repository `git_dir` (which need not exist yet).

    `configuration` is passed by the environment, as command lines are there for every user to read. `mend` is asked
    when a command failed that should not: where it tells that something was mended, the command is run once more.
    """

    def __init__(
        self,
        directory: Path | None = None,
        git_dir: Path | None = None,
        configuration: Sequence[tuple[str, str]] = (),
        environment: Mapping[str, str] | None = None,
        mend: Callable[[], bool] | None = None,
    ) -> None:
        self._start = ["git", "--no-pager", *_SETTINGS]
        if directory is not None:
            self._start += ["-C", os.fspath(directory)]
        if git_dir is not None:
            self._start += [f"--git-dir={git_dir}"]
        self._mend = mend
        self._configuration, self._environment = tuple(configuration), dict(environment or {})

    def ask(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        hold: Sequence[int] = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> Done:
        """Run git to its end, whatever its exit code. It inherits the locks `hold`, should it outlive us.

        `meanwhile` is called while it runs: for a git that reads nothing and prints little, for nobody minds its pipes.
        """
        environment = {**self._clean_environment(), **(env or {})}
        pipe, command = subprocess.PIPE, [*self._start, *arguments]
        try:
            process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, pass_fds=hold
            )
        except FileNotFoundError as error:
            raise _no_git() from error
        with process:
            try:
                if meanwhile is not None:
                    meanwhile()
                said = process.communicate(stdin)
            except BaseException:
                process.kill()
                raise
        done = Done(command, process.returncode, *said)
        if done.returncode:
            require_git()  # where it works, nobody need ask how old it is
        return done

    def run(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Return what git printed; Unavailable, with git's words, if it failed."""
        return self.decide(*arguments, answers=(0,), stdin=stdin, env=env).stdout

    def decide(
        self,
        *arguments: str,
        answers: Sequence[int] = (0, 1),
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run git to its end; Unavailable, with git's words, if its exit code is none of the answers."""
        done = self.ask(*arguments, stdin=stdin, env=env)
        if done.returncode not in answers and self._mend is not None and self._mend():
            done = self.ask(*arguments, stdin=stdin, env=env)
        if done.returncode not in answers:
            raise Unavailable(f"git {arguments[0]} failed: {words(done)}")
        return done

    def open(self, *arguments: str, stderr: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start git with pipes to its standard input and output."""
        try:
            return subprocess.Popen(
                [*self._start, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._clean_environment(),
            )
        except FileNotFoundError as error:
            raise _no_git() from error

    def stream(self, *arguments: str) -> Generator[bytes, None, None]:
        """Yield the NUL-terminated fields git prints, as they come; git is stopped when the reader stops."""
        given = 0
        try:
            for given, field in enumerate(self._stream(*arguments), 1):  # noqa: B007  (counted for a second time)
                yield field
        except Unavailable:
            if self._mend is None or not self._mend():
                raise
            yield from islice(self._stream(*arguments), given, None)

    def _stream(self, *arguments: str) -> Generator[bytes, None, None]:
        import tempfile

        with tempfile.TemporaryFile() as said, self.open(*arguments, stderr=said) as process:
            cast(IO[bytes], process.stdin).close()
            try:
                yield from _fields(cast(IO[bytes], process.stdout))
            except BaseException:
                process.kill()
                raise
            if process.wait():
                said.seek(0)
                raise Unavailable(f"git {arguments[0]} failed: {_shown(said.read())}")

    def _clean_environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or _INHERITED.fullmatch(k)}
        count = int(kept.get("GIT_CONFIG_COUNT") or 0)
        for number, (key, value) in enumerate(self._configuration, count):
            kept[f"GIT_CONFIG_KEY_{number}"], kept[f"GIT_CONFIG_VALUE_{number}"] = key, value
        if self._configuration:
            kept["GIT_CONFIG_COUNT"] = str(count + len(self._configuration))
        return {**kept, **_FIXED, **self._environment}


def words(done: Done) -> str:
    """Return what git said, for the user and never for us, without anybody's credentials."""
    return _shown(done.stderr or done.stdout) or f"exit code {done.returncode}"


def pathspec(path: str, *magic: str) -> str:
    """Return what means path on a command line: as it is written, counted from the repository's top."""
    return f":({','.join(['top', 'literal', *magic])}){path}"


@functools.cache
def require_git() -> None:
    """Raise Unavailable unless a git that is new enough is on the PATH. Nothing else asks for its version."""
    try:
        said = subprocess.run(["git", "version"], capture_output=True).stdout.decode()
    except FileNotFoundError as error:
        raise _no_git() from error
    match = re.search(r"(\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < OLDEST:
        raise Unavailable(f"{said.strip() or 'this git'} is too old", hint=_INSTALL)


_INSTALL = f"install git {OLDEST[0]}.{OLDEST[1]} or newer: https://git-scm.com/downloads"


def _no_git() -> Unavailable:
    return Unavailable("there is no git on the PATH", hint=_INSTALL)


def _shown(said: bytes) -> str:
    return redact(said.decode(errors="replace").strip())


def _fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := os.read(stream.fileno(), _CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest
