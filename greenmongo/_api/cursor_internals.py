"""What the async half of a cursor needs to know and do that the public cursor does not offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol

from greenmongo._api.buffered import take_into
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
        """Fetch or decode something; False at the end, or when a tail has nothing new.

        After True it may have to be called again.
        """
        ...

    def refill_list(self) -> bool:
        """As `refill`; False also where a list of documents ends that has no end."""
        ...

    def decode_here(self) -> bool:
        """Decode some of what is here, if that needs no wait; tell whether. Any side."""
        ...

    def take_into(self, result: list[Any], length: int | None, /) -> None:
        """Move documents from the buffer to the end of a list, up to a length of that."""
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

    def refill_list(self) -> bool:
        return self._cursor._refill_list()

    def decode_here(self) -> bool:
        return self._cursor._decode_here()

    def take_into(self, result: list[Any], length: int | None) -> None:
        take_into(result, self.buffer, length)

    def check_whole(self) -> None:
        self._cursor._check_whole()

    def waits_for_more(self) -> bool:
        return self._cursor._waits_for_more()

    def abandon(self) -> None:
        self._cursor._abandon()
