"""Request: one context's claim to a connection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo._api.client import MongoClient
    from greenmongo._hub.context import Context
    from greenmongo._net.executor import Executor

__all__ = ["Request"]


class Request:
    """What `start_request` returns: end it with `end()`, or leave its `with` block.

    It ends at most once, and only for the greenlet, thread or task that started it: called from
    another one `end()` does nothing.
    """

    def __init__(self, client: MongoClient[Any], executor: Executor, context: Context) -> None:
        self._client = client
        self._executor = executor
        self._context = context
        self._is_over = False

    @property
    def connection(self) -> MongoClient[Any]:
        """The client this is a request of."""
        return self._client

    @property
    def connection_id(self) -> int | None:
        """The server's id of the connection in use; None before the first operation.

        It changes if the connection broke and was replaced.
        """
        return self._executor.request_connection_id(self._context)

    def end(self) -> None:
        """End this request; its connection goes back to the pool unless an outer one goes on."""
        if not self._is_over and self._executor.identify() is self._context:
            self._is_over = True
            self._executor.end_request(self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def __repr__(self) -> str:
        state = "over" if self._is_over else f"connection {self.connection_id}"
        return f"<Request of {self._context!r}, {state}>"
