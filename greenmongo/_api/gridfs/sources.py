"""What can be written to a file: bytes, text, file objects, and iterables of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["as_bytes", "pieces_of"]


def as_bytes(data: Any, encoding: str | None) -> bytes | memoryview:
    """Return what was given to be written, as bytes.

    Raises:
        TypeError: it is neither bytes nor text, or text without an encoding.
    """
    if isinstance(data, (bytes, bytearray)):
        return memoryview(data)
    if isinstance(data, memoryview):
        return data.cast("B")
    if not isinstance(data, str):
        raise TypeError(f"can only write strings or file-like objects, not {type(data).__name__}")
    if encoding is None:
        raise TypeError("must specify an encoding for file in order to write str")
    return data.encode(encoding)


def pieces_of(
    source: Any, encoding: str | None, wants: Callable[[], int]
) -> Iterator[bytes | memoryview]:
    """Return the bytes of anything that can be written. To be iterated over in the user's place.

    Args:
        source: bytes, text, a file object, or an iterable.
        encoding: for text.
        wants: how many bytes to read next from a file object.

    Raises:
        TypeError: it cannot be written.
    """
    read = getattr(source, "read", None)
    if read is not None:
        return _read(read, encoding, wants)
    if isinstance(source, (str, bytes, bytearray, memoryview)) or not isinstance(source, Iterable):
        return iter((as_bytes(source, encoding),))
    return (as_bytes(item, encoding) for item in source)


def _read(
    read: Callable[[int], Any], encoding: str | None, wants: Callable[[], int]
) -> Iterator[bytes | memoryview]:
    while piece := read(wants()):
        yield as_bytes(piece, encoding)
