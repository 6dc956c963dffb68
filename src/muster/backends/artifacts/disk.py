"""Files made so that nobody sees half of one: kernel copies, new files only, scratch directories, locks."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Refused, Unavailable

READ_ONLY = 0o444
READ_ONLY_DIRECTORY = 0o555

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_FICLONE = 0x40049409  # ioctl_ficlone(2): share the blocks, where the file system can
_STEP = 16 << 20  # bytes that the kernel copies at a time
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # renameat2(2)
_RANDOM = re.compile("[0-9a-f]{12}")
_CHUNK = 4 << 20
_CANNOT = frozenset(  # "not in this way, or not between these two": another way may do
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY}
    | {errno.EPERM, errno.EACCES, errno.EMLINK}
)


def write_new(path: str, data: bytes, read_only: bool) -> None:
    """Write data to a file that is not there yet; nothing is left of it if that fails."""
    with _new_file(path, read_only) as descriptor:
        write_all(descriptor, data)


def write_all(descriptor: int, data: bytes) -> None:
    """Write data to an open file, all of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def clone(source: str, target: str, read_only: bool, kinds: Sequence[str] = ("reflink", "copy")) -> None:
    """Make target, which is not there yet, from source in the first of DVC's kinds that works here.

    A hard link is made only if kinds asks for one: an edit in place of either file then changes both.
    """
    if (
        "hardlink" in kinds
        and "copy" not in kinds[: kinds.index("hardlink")]
        and _link(source, target, read_only)
    ):
        return
    with open(source, "rb", buffering=0) as file, _new_file(target, read_only) as descriptor:
        _copy(file.fileno(), descriptor)


def share(source: str, target: str, kind: str) -> None:
    """Make target, which is not there yet, from source in this one way: "hardlink", "symlink" or "reflink".

    Unavailable where the file system cannot. What is linked is read-only; a reflink is a file of its own.
    """
    try:
        if kind == "symlink":
            os.symlink(source, target)
        elif kind == "hardlink":
            os.link(source, target)
        else:
            with open(source, "rb", buffering=0) as file, _new_file(target, read_only=False) as descriptor:
                fcntl.ioctl(descriptor, _FICLONE, file.fileno())
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        raise Unavailable(
            f"No {kind} of {source} can be made where {target} is: {error.strerror}.",
            hint="Ask for copies, or put muster's cache (MUSTER_CACHE) on the same file system.",
        ) from error


def append(source: int, target: int, wrote: Callable[[int], None]) -> None:
    """Add to one open file what it lacks of another, of which it has the beginning.

    wrote is told how many bytes came, time and again.
    """
    start = os.lseek(target, 0, os.SEEK_END)
    if start == 0 and _reflink(source, target):
        wrote(os.lseek(target, 0, os.SEEK_END))
        return
    os.lseek(source, start, os.SEEK_SET)
    _copy_rest(source, target, wrote)


def exchange(one: str, other: str) -> None:
    """Give each of two directories the other's name; at no moment is either name without a directory.

    Where the system cannot do that, there is such a moment, between two renames.
    """
    if _exchange_at_once(one, other):
        return
    aside = f"{one}.{secrets.token_hex(6)}"
    os.rename(other, aside)
    try:
        os.rename(one, other)
    except OSError:
        os.rename(aside, other)
        raise
    os.rename(aside, one)


@dataclass(frozen=True, slots=True)
class Locked:
    """A file that is open for reading and writing, and that nobody else has open in this way."""

    path: str
    descriptor: int


@contextmanager
def locked_file(path: str, spare: str, wait: bool) -> Iterator[Locked | None]:
    """Open the file at path, made if it is not there, and keep everybody else out until the block ends.

    None if somebody else has it and we do not wait. The lock goes with the process that holds it. A file that
    is empty in the end is taken away. On a file system without locks a new file at spare is opened instead.
    """
    locked = _open_locked(path, spare, wait)
    if locked is None:
        yield None
        return
    try:
        yield locked
    finally:
        if os.fstat(locked.descriptor).st_size == 0 and _is_at(locked):
            os.unlink(locked.path)
        os.close(locked.descriptor)


@contextmanager
def scratch(parent: Path, name: str) -> Iterator[str]:
    """Give a new directory inside parent that is gone afterwards; clear away those of dead processes.

    It is called `<name><host>-<12 hex>` and locked while in use. On a network file system a lock may not be
    seen from another host, so what another host left stays.
    """
    parent.mkdir(parents=True, exist_ok=True)
    name += re.sub("[^A-Za-z0-9]", "", os.uname().nodename)[:60] + "-"
    _sweep(parent, name)
    path, descriptor = _locked_directory(parent, name)
    try:
        yield str(path)
    finally:
        os.close(descriptor)
        remove_tree(str(path))


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the operating system refuses into one of muster's errors, by its number."""
    try:
        yield
    except ConnectionError:  # of whoever is told of the progress
        raise
    except OSError as error:
        raise failure_of(error) from error


def failure_of(error: OSError) -> Refused | Unavailable:
    """Return the error that says what the operating system refused."""
    place, reason = error.filename or "A file", error.strerror or type(error).__name__
    if error.errno in FULL:
        return Unavailable(f"There is no room to write: {reason}.", hint="Free some space, then try again.")
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return Refused(f"{place} cannot be used: {reason}.", hint="Check its permissions.")
    return Unavailable(
        f"{place} cannot be used: {reason}.", hint="Check that the disk is there, then try again."
    )


def remove_tree(path: str) -> None:
    """Remove a directory and all in it, read-only directories too; nothing if it is not there."""
    if not os.path.isdir(path) or os.path.islink(path):
        return
    for directory, _, _ in os.walk(path):
        with suppress(FileNotFoundError):  # whoever sweeps takes it away at the same time
            os.chmod(directory, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def _sweep(parent: Path, name: str) -> None:
    for entry in parent.iterdir():
        if not entry.name.startswith(name) or not _RANDOM.fullmatch(entry.name, len(name)):
            continue
        try:
            descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or nobody can tell
            continue
        else:
            remove_tree(str(entry))
        finally:
            os.close(descriptor)


def _locked_directory(parent: Path, name: str) -> tuple[Path, int]:
    while True:
        path = parent / f"{name}{secrets.token_hex(6)}"
        path.mkdir(mode=0o700)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # swept away by another, which saw it before it was locked
            continue
        with suppress(OSError):  # a file system without locks: its leftovers stay until somebody removes them
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return path, descriptor
        os.close(descriptor)


@contextmanager
def _new_file(path: str, read_only: bool) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        try:
            yield descriptor
            if read_only:
                os.fchmod(descriptor, READ_ONLY)
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(path)
        raise


def _link(source: str, target: str, read_only: bool) -> bool:
    """Make target a hard link of source; False where that cannot be."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    try:
        if read_only:
            os.chmod(target, READ_ONLY)
    except OSError:  # another user's file
        os.unlink(target)
        return False
    return True


def _copy(source: int, target: int) -> None:
    """Copy one open file to another, empty one: a reflink, else by the kernel, else by hand."""
    if not _reflink(source, target):
        _copy_rest(source, target, _ignore)


def _reflink(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


def _copy_rest(source: int, target: int, wrote: Callable[[int], None]) -> None:
    """Copy from where one open file stands to where another does: by the kernel, else by hand."""
    in_kernel = getattr(os, "copy_file_range", None)  # Linux alone has it
    start = os.lseek(target, 0, os.SEEK_CUR)
    try:
        while in_kernel and (size := in_kernel(source, target, _STEP)):
            wrote(size)
    except OSError as error:
        if error.errno not in _CANNOT or os.lseek(target, 0, os.SEEK_CUR) != start:
            raise
    # Some file systems say that they copied nothing where they cannot copy: read and write what is left.
    while chunk := os.read(source, _CHUNK):
        write_all(target, chunk)
        wrote(len(chunk))


def _ignore(size: int) -> None:
    """Count nothing."""


def _exchange_at_once(one: str, other: str) -> bool:
    """Exchange two names by renameat2(2); False where there is no such call, or not here."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT and number not in (errno.EPERM, errno.EACCES):
        return False
    raise OSError(number, os.strerror(number), other)


def _open_locked(path: str, spare: str, wait: bool) -> Locked | None:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        if os.path.islink(path):  # nobody of ours made it
            os.unlink(path)
        locked = Locked(path, os.open(path, flags, 0o600))
        try:
            fcntl.flock(locked.descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(locked.descriptor)
            return None
        except OSError:
            os.close(locked.descriptor)
            return Locked(spare, os.open(spare, flags | os.O_EXCL, 0o600))
        if _is_at(locked):
            return locked
        os.close(locked.descriptor)  # whoever had it before us has made it something else


def _is_at(locked: Locked) -> bool:
    """Tell whether the file that is open is still the one at its path."""
    try:
        return os.path.samestat(os.stat(locked.path, follow_symlinks=False), os.fstat(locked.descriptor))
    except FileNotFoundError:
        return False
