"""Who takes part. Each contender runs alone in a fresh process; see `worker`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import (
    COLLECTION,
    DATABASE,
    AsyncCall,
    BlockingCall,
    measure_greenlets,
    measure_tasks,
    measure_threads,
)
from benchmarks.worker import converse, converse_async

__all__ = ["BASELINE", "CONTENDERS", "Contender", "find"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to call `find_one`, and the function that serves jobs on it until told to stop."""

    name: str
    label: str
    serve: Callable[[str], None]
    ours: bool = False
    patched: bool = False
    """Start the process through gevent's own launcher, so that everything is patched first."""


def _on_loop(main: Coroutine[Any, Any, None], *, uvloop: bool) -> None:
    if uvloop:
        import uvloop as fast

        loop: asyncio.AbstractEventLoop = fast.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _tasks(find_one: AsyncCall) -> None:
    await converse_async(lambda job: measure_tasks(find_one, job))


def _raw(uri: str) -> None:
    from benchmarks.raw import RawClient

    converse(RawClient(uri).measure)


# --- ours -----------------------------------------------------------------------------------


def _greenmongo_hub(uri: str) -> None:
    import greenmongo

    client: greenmongo.MongoClient[dict[str, Any]] = greenmongo.MongoClient(uri)
    with client:
        find_one: BlockingCall = client[DATABASE][COLLECTION].find_one
        converse(lambda job: greenmongo.run(measure_greenlets, find_one, job))


def _greenmongo_greenlets(uri: str) -> None:
    import greenmongo

    client: greenmongo.MongoClient[dict[str, Any]] = greenmongo.MongoClient(uri)
    with client:
        find_one: BlockingCall = client[DATABASE][COLLECTION].find_one
        converse(lambda job: measure_greenlets(find_one, job))


def _greenmongo_threads(uri: str) -> None:
    import greenmongo

    client: greenmongo.MongoClient[dict[str, Any]] = greenmongo.MongoClient(uri)
    with client:
        find_one: BlockingCall = client[DATABASE][COLLECTION].find_one
        converse(lambda job: measure_threads(find_one, job))


async def _bridge(uri: str) -> None:
    from bridge import AsyncMongoClient

    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    async with client:
        await _tasks(client[DATABASE][COLLECTION].find_one)


# --- peers ----------------------------------------------------------------------------------


async def _pymongo_async(uri: str) -> None:
    from pymongo import AsyncMongoClient

    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri)
    async with client:
        await _tasks(client[DATABASE][COLLECTION].find_one)


async def _motor(uri: str) -> None:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri)
    try:
        await _tasks(client[DATABASE][COLLECTION].find_one)
    finally:
        client.close()


async def _pymongo_to_thread(uri: str) -> None:
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        find_one: BlockingCall = client[DATABASE][COLLECTION].find_one
        # The loop's default executor, as everybody has it: min(32, cores + 4) threads.
        await _tasks(lambda query: asyncio.to_thread(find_one, query))


def _pymongo_threads(uri: str) -> None:
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        find_one: BlockingCall = client[DATABASE][COLLECTION].find_one
        converse(lambda job: measure_threads(find_one, job))


def _pymongo_gevent(uri: str) -> None:
    import gevent
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        find_one: BlockingCall = client[DATABASE][COLLECTION].find_one
        wait = gevent.get_hub().threadpool.apply
        # A plain readline would stop the hub, and with it the client's monitors.
        converse(
            lambda job: measure_greenlets(find_one, job),
            lambda: str(wait(sys.stdin.readline)),
        )


BASELINE = "pymongo-async"

_ALL = (
    Contender("raw", "bare sockets (floor)", _raw),
    Contender("hub", "greenmongo, in its hub", _greenmongo_hub, ours=True),
    Contender("greenlets", "greenmongo, greenlets", _greenmongo_greenlets, ours=True),
    Contender("threads", "greenmongo, threads", _greenmongo_threads, ours=True),
    Contender(
        "asyncio", "bridge, asyncio", lambda uri: _on_loop(_bridge(uri), uvloop=False), ours=True
    ),
    Contender(
        "uvloop", "bridge, uvloop", lambda uri: _on_loop(_bridge(uri), uvloop=True), ours=True
    ),
    Contender(BASELINE, "PyMongo async", lambda uri: _on_loop(_pymongo_async(uri), uvloop=False)),
    Contender(
        "pymongo-uvloop",
        "PyMongo async, uvloop",
        lambda uri: _on_loop(_pymongo_async(uri), uvloop=True),
    ),
    Contender("motor", "Motor", lambda uri: _on_loop(_motor(uri), uvloop=False)),
    Contender("pymongo-gevent", "PyMongo, gevent patched", _pymongo_gevent, patched=True),
    Contender("pymongo-threads", "PyMongo, threads", _pymongo_threads),
    Contender(
        "pymongo-to-thread",
        "PyMongo, to_thread",
        lambda uri: _on_loop(_pymongo_to_thread(uri), uvloop=False),
    ),
)

CONTENDERS: Mapping[str, Contender] = {contender.name: contender for contender in _ALL}


def find(name: str) -> Contender:
    """Return the contender of that name.

    Raises:
        ValueError: there is none; the message names those there are.
    """
    if name not in CONTENDERS:
        raise ValueError(f"no contender {name!r}; there are {', '.join(CONTENDERS)}")
    return CONTENDERS[name]
