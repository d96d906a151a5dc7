"""AsyncRequest: one task's claim to a connection of its own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from greenmongo.lowlevel import is_open

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from typing_extensions import Self

    from bridge._client import AsyncMongoClient
    from greenmongo.lowlevel import Request

__all__ = ["AsyncRequest"]


class AsyncRequest:
    """What `start_request` returns: `async with` it, or `await` it and later its `end()`.

    It begins with the one or the other. It ends at most once, with its task at the latest, and
    only for the task that started it: awaited in another one, `end()` does nothing.
    """

    def __init__(self, client: AsyncMongoClient[Any], *, strict: bool = False) -> None:
        self._client = client
        self._strict = strict
        self._is_begun = False
        self._request: Request | None = None

    @property
    def connection(self) -> AsyncMongoClient[Any]:
        """The client this is a request of."""
        return self._client

    @property
    def connection_id(self) -> int | None:
        """The server's id of the connection in use; None before the first operation.

        It changes if the connection broke and was replaced.
        """
        return None if self._request is None else self._request.connection_id

    async def end(self) -> None:
        """End this request; its connection goes back to the pool unless an outer one goes on."""
        # A client that was closed took its requests with it.
        if self._request is not None and is_open(self._client.sync):
            await self._client._dispatcher.call_exactly_once(self._request.end)

    async def _start(self) -> Self:
        self._is_begun = True
        if self._request is None:
            dispatcher = self._client._dispatcher
            try:
                await dispatcher.call_on_lane(self._start_on_lane)
            except BaseException:
                # Cancelled, perhaps after it had started: nobody else would ever end it.
                dispatcher.post(self._end_on_lane)
                raise
        return self

    def _start_on_lane(self) -> None:
        self._request = self._client.sync.start_request(self._strict)

    def _end_on_lane(self) -> None:
        if self._request is not None:
            self._request.end()

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._start().__await__()

    async def __aenter__(self) -> Self:
        return await self._start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, GeneratorExit):
            # The coroutine is being thrown away and may wait for nothing; its loop may be gone.
            self._client._dispatcher.post(self._end_on_lane)
        else:
            await self.end()

    def __del__(self) -> None:
        if not self._is_begun:
            warnings.warn(
                "start_request() was neither awaited nor entered with `async with`",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        state = "not started" if self._request is None else repr(self._request)
        return f"<{type(self).__name__}: {state}>"
