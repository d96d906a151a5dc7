"""The only asynchronous line here: blocking work goes to a thread, under asyncio and trio alike."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread

__all__ = ["run_in_thread"]


async def run_in_thread(function: Callable[[], None], *, to_the_end: bool = False) -> None:
    """Run a blocking function in a thread and wait for it.

    Cancellation leaves the function running on its own, unless it is wanted `to_the_end`.
    """
    with anyio.CancelScope(shield=to_the_end):
        await anyio.to_thread.run_sync(function, abandon_on_cancel=not to_the_end)
