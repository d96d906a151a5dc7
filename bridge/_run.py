"""run: ordinary blocking code on the hub thread, awaited."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from bridge._crossing.block_on import callers_variables
from bridge._crossing.ports import current_port
from greenmongo.lowlevel import acquire, in_own_place

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

P = ParamSpec("P")
R = TypeVar("R")


async def run(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run an ordinary blocking function on a greenlet of the hub thread and await its result.

    It is `client.run` without a client, and so in nobody's request: the function uses whatever
    blocking clients it likes, and gevent, and sees a copy of the task's context variables. It must
    not block the whole thread.
    """
    thread = acquire()
    call = None
    try:
        bound = partial(in_own_place, fn, *args, **kwargs)
        port = current_port(thread)
        call = port.call_type(port, partial(callers_variables().run, bound))
        thread.submit(call.begin)
        result: R = await call
        return result
    finally:
        # An exception's traceback holds this frame, and the call may hold the exception.
        del call
        thread.release()
