"""CommandCursor: the documents of a command that has already run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic

from greenmongo._api.buffered import BufferedCursor
from greenmongo._core.cursors.plan import CursorPlan
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from typing_extensions import Self

    from greenmongo._api.collection.base import CollectionBase
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Address

__all__ = ["CommandCursor"]


class CommandCursor(BufferedCursor[DocT], Generic[DocT]):
    """What `aggregate`, `list_indexes` and their kin return: the first batch is already here."""

    def __init__(
        self,
        collection: CollectionBase[Any],
        cursor_info: Mapping[str, Any],
        address: Address | None,
        batch_size: int = 0,
        max_await_time_ms: int | None = None,
        session: SessionLike | None = None,
        comment: Any = None,
    ) -> None:
        if max_await_time_ms is not None and not isinstance(max_await_time_ms, int):
            raise TypeError(
                f"max_await_time_ms must be an integer or None, not {type(max_await_time_ms)}"
            )
        namespace = collection._namespace
        plan = CursorPlan(
            namespace.db,
            namespace.collection,
            namespace.codec_options,
            namespace.read_preference,
            max_await_time_ms=max_await_time_ms,
            awaits_data=max_await_time_ms is not None,
            comment=comment,
            address=address,
        )
        super().__init__(collection._executor, plan, session)
        self._collection = collection
        self._receive(plan.absorb_cursor(dict(cursor_info)))
        self._killed = plan.is_exhausted
        self.batch_size(batch_size)

    def batch_size(self, batch_size: int) -> Self:
        """Fetch this many documents per round trip from now on; 0 leaves it to the server."""
        if not isinstance(batch_size, int):
            raise TypeError(f"batch_size must be an integer, not {type(batch_size)}")
        if batch_size < 0:
            raise ValueError("batch_size must be >= 0")
        # To the server 1 means "one batch, then close".
        self._plan.batch_size = 2 if batch_size == 1 else batch_size
        return self

    def _refill_list(self) -> bool:
        # The command may be one whose cursor never ends, like a change stream: what one round
        # trip brings is all that there is today.
        return not self._is_over() and self._turn.run(self._fetch_once)

    def _fetch_once(self) -> bool:
        self._fill_a_little()
        return bool(self._buffer) or bool(self._undecoded)

    def _fill_once(self) -> bool:
        self._fill_a_little()
        while self._undecoded and not self._buffer:
            self._advance()
        return bool(self._buffer)

    def try_next(self) -> DocT | None:
        """Return the next document, or None if one round trip brings none."""
        if not self._buffer and not self._is_over():
            self._turn.run(self._fill_once)
        try:
            document: DocT = self._buffer.popleft()
        except IndexError:
            return None
        return document

    def _fill_a_little(self) -> None:
        if not self._buffer and not self._is_over():
            self._begin_call()
            self._advance()
