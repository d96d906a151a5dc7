"""The hub thread for users: run blocking code on it, and count what a client has there."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from greenmongo._hub.process import acquire
from greenmongo._hub.upcall import in_own_place
from greenmongo._net.statistics import ClientStatistics, PoolStatistics

if TYPE_CHECKING:
    from greenmongo._api.client import MongoClient

__all__ = ["ClientStatistics", "PoolStatistics", "run", "statistics_of"]

P = ParamSpec("P")
R = TypeVar("R")


def run(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run an ordinary blocking function on a greenlet of the hub thread and wait for its result.

    There every operation of a client is a plain call and gevent is at hand, unpatched, for
    thousands of concurrent greenlets. It sees a copy of the caller's context variables. Do not
    call anything there that blocks the whole thread; that goes for command listeners, log handlers
    and codecs of its operations too, which run where the function runs.
    """
    variables = copy_context()
    thread = acquire()
    try:
        result: R = thread.call(variables.run, partial(in_own_place, fn, *args, **kwargs))
        return result
    finally:
        thread.release()


def statistics_of(client: MongoClient[Any]) -> ClientStatistics:
    """Return numbers about a client: connections opened, open, idle; requests; waiting callers.

    It crosses to the hub thread: in a coroutine, `await client.run(statistics_of, client.sync)`.
    """
    return client._executor.statistics()
