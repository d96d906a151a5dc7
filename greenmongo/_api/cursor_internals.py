"""What the async half of a cursor needs to know and do that the public cursor does not offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol

from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from collections import deque

    from greenmongo._api.buffered import BufferedCursor

__all__ = ["CursorInternals", "internals_of"]


class CursorInternals(Protocol):
    """The inside of a cursor: documents are taken from `buffer`; `refill` is all that blocks."""

    @property
    def buffer(self) -> deque[Any]:
        """The documents that have arrived; whoever takes one pops it from the left."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the server has nothing more of this cursor, or it was closed."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether no more documents can come into the buffer."""
        ...

    def refill(self) -> bool:
        """Fetch until there is a document; False at the end, or when a tail has nothing new."""
        ...

    def check_whole(self) -> None:
        """Refuse to call it the end when a batch was lost, with a MisuseError. Any side."""
        ...

    def waits_for_more(self) -> bool:
        """Tell whether this is a tailable cursor: one whose documents have no end."""
        ...

    def abandon(self) -> None:
        """Close this cursor without waiting for the server. Any side; neither blocks nor raises."""
        ...


def internals_of(cursor: BufferedCursor[Any]) -> CursorInternals:
    """Return the inside of a blocking cursor."""
    return _Internals(cursor)


class _Internals(Generic[DocT]):
    """The internals of a cursor that has been made."""

    __slots__ = ("_cursor", "buffer")

    def __init__(self, cursor: BufferedCursor[DocT]) -> None:
        self._cursor = cursor
        self.buffer = cursor._buffer

    @property
    def is_closed(self) -> bool:
        return self._cursor._killed

    @property
    def is_complete(self) -> bool:
        return self._cursor._is_complete

    def refill(self) -> bool:
        return self._cursor._refill()

    def check_whole(self) -> None:
        self._cursor._check_whole()

    def waits_for_more(self) -> bool:
        return self._cursor._waits_for_more()

    def abandon(self) -> None:
        self._cursor._abandon()
