"""An object's bytes from any place on, as each of fsspec's file systems gives them best.

What is held in memory is bounded: a few parts, never an object.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

_RANGE = 8 << 20  # bytes of one request
_RANGES_AT_ONCE = 4
_READ = 16 << 20  # bytes of one reading, which SSH asks for in many requests at once
_CHUNK = 4 << 20  # bytes that pass from fsspec's thread to ours at a time
_PARTIAL, _NO_SUCH_RANGE = 206, 416


def in_ranges(fs: Any, place: str, start: int, size: int) -> Iterator[bytes]:
    """Yield an object by requests for ranges, of which the next is on its way while one is used."""
    from concurrent.futures import Future, ThreadPoolExecutor

    starts = iter(range(start, size, _RANGE))
    coming: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(_RANGES_AT_ONCE) as pool:

        def ask(count: int) -> None:
            for at in islice(starts, count):
                coming.append(pool.submit(fs.cat_file, place, start=at, end=min(at + _RANGE, size)))

        ask(_RANGES_AT_ONCE)
        while coming:
            lacking = min(_RANGE, size - start)
            data = coming.popleft().result()
            start += len(data)
            yield data
            if len(data) != lacking:  # what comes next does not belong here
                return
            ask(1)


def of_file(fs: Any, place: str, start: int) -> Iterator[bytes]:
    """Yield an object as a file is read that can be read from any place on."""
    with fs.open(place, "rb") as file:
        if start:
            file.seek(start)
        while chunk := file.read(_READ):
            yield chunk


def over_http(fs: Any, place: str, start: int) -> Iterator[bytes]:
    """Yield an object of an HTTP server by one request. A server that knows no ranges sends all of it again."""
    from fsspec.asyn import sync

    response, skipped = sync(fs.loop, _request, fs, place, start)
    if response is None:
        return
    try:
        while chunk := sync(fs.loop, _read, response):
            yield chunk[skipped:]
            skipped = max(skipped - len(chunk), 0)
    finally:
        response.close()


async def _request(fs: Any, place: str, start: int) -> tuple[Any, int]:
    """Return an open response, None if there is nothing from start on, and how much of it is before start."""
    session = await fs.set_session()
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    response = await session.get(fs.encode_url(place), headers=headers, **fs.kwargs)
    if response.status == _NO_SUCH_RANGE:
        response.close()
        return None, 0
    if response.status in (404, 410):
        response.close()
        raise FileNotFoundError(place)
    response.raise_for_status()
    begins = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    partly = response.status == _PARTIAL and begins.isdecimal()
    return response, max(start - int(begins), 0) if partly else start


async def _read(response: Any) -> bytes:
    """Return the next bytes of a response; none at its end. What came before it broke off is not lost."""
    parts: list[bytes] = []
    size = 0
    while size < _CHUNK:
        try:
            part = await response.content.readany()
        except Exception:
            if not parts:
                raise
            break
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)
