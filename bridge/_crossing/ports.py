"""Which port leads back to the event loop that runs."""

from __future__ import annotations

import asyncio
import sys
from asyncio import _get_running_loop
from typing import TYPE_CHECKING, Any

from bridge._crossing.asyncio_port import AsyncioPort
from bridge._crossing.trio_port import TrioPort
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import ThreadLocal

if TYPE_CHECKING:
    from typing import TypeAlias

    import trio

    from bridge._crossing.async_call import LoopPort
    from greenmongo.lowlevel import HubThread

    Loop: TypeAlias = asyncio.AbstractEventLoop | trio.lowlevel.TrioToken

__all__ = ["current_port", "running_loop"]


class _LastPorts(ThreadLocal):
    of_asyncio: AsyncioPort | None = None
    of_trio: TrioPort | None = None


_last = _LastPorts()


def running_loop() -> Loop | None:
    """Return the asyncio loop, or the token of the Trio run, that runs in this thread."""
    # First, since Trio can be the guest of an asyncio loop. Another thread may be importing it.
    lowlevel: Any = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is not None and lowlevel.in_trio_task():
        token: trio.lowlevel.TrioToken = lowlevel.current_trio_token()
        return token
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def current_port(thread: HubThread) -> LoopPort:
    """Return the port of the running event loop, asyncio's or trio's.

    Raises:
        MisuseError: no event loop runs in this thread.
    """
    port = _last.of_asyncio
    if (
        port is not None
        and port.loop is _get_running_loop()
        and port.thread is thread
        and "trio" not in sys.modules
    ):
        return port
    loop = running_loop()
    if loop is None:
        raise MisuseError("no running event loop", "await this from a task of asyncio or trio")
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return _trio_port(thread, loop)
    if port is None or not port.serves(loop) or port.thread is not thread:
        port = _last.of_asyncio = AsyncioPort(thread, loop)
    return port


def _trio_port(thread: HubThread, token: trio.lowlevel.TrioToken) -> LoopPort:
    port = _last.of_trio
    if port is None or not port.serves(token) or port.thread is not thread:
        port = _last.of_trio = TrioPort(thread, token)
    return port
