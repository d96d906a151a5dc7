"""The only asynchronous line here: blocking work goes to a thread, under asyncio and trio alike."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread

__all__ = ["run_in_thread"]


async def run_in_thread(function: Callable[[], None], *, shielded: bool = False) -> None:
    """Run a blocking function in a thread of its own and wait for it."""
    with anyio.CancelScope(shield=shielded):
        await anyio.to_thread.run_sync(function)
