"""What a task can write to a file, and where it is read.

The user's file objects never run on the hub thread. What is awaited is awaited in the caller's
task; a file object that blocks runs in a worker thread, so that the loop goes on, and one that is
in memory where it is.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Any

from anyio import to_thread

from greenmongo.lowlevel import as_bytes

__all__ = ["pieces_of", "writer_of"]


def pieces_of(
    source: Any, encoding: str | None, wants: Callable[[], int]
) -> AsyncGenerator[bytes | memoryview, None]:
    """Return the bytes of anything that can be written.

    Args:
        source: bytes, text, a file object, an async one, or an iterable of either kind.
        encoding: for text.
        wants: how many bytes to read next from a file object.

    Raises:
        TypeError: it cannot be written.
    """
    if getattr(source, "read", None) is not None:
        return _read(source, encoding, wants)
    if isinstance(source, AsyncIterable):
        return _of_async_iterable(source, encoding)
    if isinstance(source, (str, bytes, bytearray, memoryview)) or not isinstance(source, Iterable):
        return _of_iterable((as_bytes(source, encoding),), encoding)
    return _of_iterable(source, encoding)


async def _of_async_iterable(
    source: AsyncIterable[Any], encoding: str | None
) -> AsyncGenerator[bytes | memoryview, None]:
    async for item in source:
        yield as_bytes(item, encoding)


async def _of_iterable(
    source: Iterable[Any], encoding: str | None
) -> AsyncGenerator[bytes | memoryview, None]:
    for item in source:
        yield as_bytes(item, encoding)


async def _read(
    source: Any, encoding: str | None, wants: Callable[[], int]
) -> AsyncGenerator[bytes | memoryview, None]:
    read = source.read
    while True:
        if is_async(source, read):
            piece = await read(wants())
        elif isinstance(source, io.BytesIO):
            piece = read(wants())
        else:
            # Who is cancelled does not wait for a source that may be slow, such as a pipe.
            piece = await to_thread.run_sync(read, wants(), abandon_on_cancel=True)
        if not piece:
            return
        yield as_bytes(piece, encoding)


def writer_of(destination: Any) -> Callable[[bytes], Any]:
    """Return a function that returns an awaitable, to write to a file object of any kind."""
    write = destination.write
    if is_async(destination, write):
        return lambda data: write(data)
    if isinstance(destination, io.BytesIO):
        return _in_place(write)
    # Who is cancelled waits for it: nothing goes on in a file that may be closed next.
    return lambda data: to_thread.run_sync(write, data)


def _in_place(write: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    async def write_here(data: bytes) -> None:
        write(data)

    return write_here


def is_async(file: object, method: object) -> bool:
    """Tell whether the methods of a file object are to be awaited."""
    # Those of Motor's return futures, and are no coroutine functions.
    return inspect.iscoroutinefunction(method) or hasattr(type(file), "__aiter__")
