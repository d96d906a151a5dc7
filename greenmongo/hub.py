"""The hub thread's public face: run blocking code on it, and what the bridge is built on."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from greenmongo._api.request import Request
from greenmongo._core.options import ClientOptions
from greenmongo._core.sdam.description import TopologyDescription
from greenmongo._core.types import Address, ReadMode, SessionLike
from greenmongo._hub.call import Call, CallState
from greenmongo._hub.context import Context
from greenmongo._hub.errors import CallAbandoned, HubClosed, MisuseError
from greenmongo._hub.handover import Handover, new_handover
from greenmongo._hub.native import ThreadLocal
from greenmongo._hub.native import sleep as native_sleep
from greenmongo._hub.once import Once
from greenmongo._hub.outbox import Port
from greenmongo._hub.thread import HubThread, acquire
from greenmongo._net.statistics import ClientStatistics, PoolStatistics
from greenmongo._net.time_limit import is_limited

if TYPE_CHECKING:
    from greenmongo._api.client import MongoClient

__all__ = [
    "Address",
    "Call",
    "CallAbandoned",
    "CallState",
    "ClientOptions",
    "ClientStatistics",
    "Context",
    "Handover",
    "HubClosed",
    "HubThread",
    "MisuseError",
    "Once",
    "PoolStatistics",
    "Port",
    "ReadMode",
    "Request",
    "SessionLike",
    "ThreadLocal",
    "TopologyDescription",
    "acquire",
    "is_limited",
    "is_open",
    "native_sleep",
    "new_handover",
    "request_depth",
    "run",
    "statistics_of",
    "thread_of",
    "watches_commands",
]

P = ParamSpec("P")
R = TypeVar("R")


def run(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run an ordinary blocking function on a greenlet of the hub thread and wait for its result.

    There every operation of a client is a plain call and gevent is at hand, unpatched, for
    thousands of concurrent greenlets. It sees a copy of the caller's context variables. Do not
    call anything there that blocks the whole thread.
    """
    variables = copy_context()
    thread = acquire()
    try:
        result: R = thread.run(variables.run, partial(fn, *args, **kwargs))
        return result
    finally:
        thread.release()


def thread_of(client: MongoClient[Any]) -> HubThread:
    """Return the hub thread a client lives on, opening the client if need be."""
    return client._executor.thread


def is_open(client: MongoClient[Any]) -> bool:
    """Tell whether a client has been used and not been closed. Any side."""
    return client._executor.is_open


def request_depth(client: MongoClient[Any], context: Context) -> int:
    """Return how deep in a request a context is. Neither crosses nor waits. Any side."""
    return client._executor.request_depth(context)


def watches_commands(client: MongoClient[Any]) -> bool:
    """Tell whether a client has listeners that want to see the callers' context variables."""
    return client._executor.watches_commands


def statistics_of(client: MongoClient[Any]) -> ClientStatistics:
    """Return numbers about a client: connections opened, open, idle; requests; waiting callers.

    It crosses to the hub thread: in a coroutine, `await client.run(statistics_of, client.sync)`.
    """
    return client._executor.statistics()
