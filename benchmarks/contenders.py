"""Who takes part. Each contender runs alone in a fresh process; see `worker`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import (
    AsyncCall,
    Job,
    Sample,
    measure_greenlets,
    measure_tasks,
    measure_threads,
    measure_waiting,
)
from benchmarks.operations import awaited, blocking
from benchmarks.worker import converse, converse_async

__all__ = ["BASELINE", "CONTENDERS", "DOORS", "Contender", "find"]

Options = Mapping[str, Any]
Serve = Callable[[str, str], None]
"""Serves jobs, given the server's URI and the variant, until told to stop."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to call a server."""

    name: str
    label: str
    serve: Serve
    ours: bool = False
    patched: bool = False
    """Start the process through gevent's own launcher, so that everything is patched first."""
    most: int = 10_000
    """Concurrent callers."""


def _options(variant: str) -> dict[str, Any]:
    """Return the client's options of a variant, for the drivers with PyMongo's."""
    if variant in {"zlib", "zstd"}:
        return {"compressors": variant}
    if variant == "waiting":
        return {"maxPoolSize": 1}
    if variant == "listener":
        from pymongo.monitoring import CommandListener

        class Silent(CommandListener):
            def started(self, event: Any) -> None:
                pass

            succeeded = failed = started

        return {"event_listeners": [Silent()]}
    return {}


def _on_loop(main: Callable[[str, str], Coroutine[Any, Any, None]], *, uvloop: bool) -> Serve:
    def serve(uri: str, variant: str) -> None:
        if uvloop:
            import uvloop as fast

            loop: asyncio.AbstractEventLoop = fast.new_event_loop()
        else:
            loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(main(uri, variant))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    return serve


async def _tasks(calls: Mapping[str, AsyncCall]) -> None:
    def measure(job: Job) -> Coroutine[Any, Any, Sample]:
        if job.operation == "waiting":
            return measure_waiting(calls[job.operation], job)
        return measure_tasks(calls[job.operation], job)

    await converse_async(measure)


def _raw(uri: str, variant: str) -> None:
    from benchmarks.raw import RawClient

    converse(RawClient(uri).measure)


# --- ours -----------------------------------------------------------------------------------


def _greenmongo_hub(uri: str, variant: str) -> None:
    import greenmongo

    with greenmongo.MongoClient[Any](uri, **_options(variant)) as client:
        calls = blocking(client)
        converse(lambda job: greenmongo.run(measure_greenlets, calls[job.operation], job))


def _greenmongo_greenlets(uri: str, variant: str) -> None:
    import greenmongo

    with greenmongo.MongoClient[Any](uri, **_options(variant)) as client:
        calls = blocking(client)
        converse(lambda job: measure_greenlets(calls[job.operation], job))


def _greenmongo_threads(uri: str, variant: str) -> None:
    import greenmongo

    with greenmongo.MongoClient[Any](uri, **_options(variant)) as client:
        calls = blocking(client)
        converse(lambda job: measure_threads(calls[job.operation], job))


async def _bridge(uri: str, variant: str) -> None:
    from bridge import AsyncMongoClient

    async with AsyncMongoClient[Any](uri, **_options(variant)) as client:
        # Each caller's, and kept as long as it calls.
        in_request = client.start_request if variant == "request" else nullcontext
        calls = awaited(client)

        async def measure(job: Job) -> Sample:
            if job.operation == "waiting":
                return await measure_waiting(calls[job.operation], job)
            return await measure_tasks(calls[job.operation], job, around=in_request)

        await converse_async(measure)


# --- peers ----------------------------------------------------------------------------------


async def _pymongo_async(uri: str, variant: str) -> None:
    from pymongo import AsyncMongoClient

    async with AsyncMongoClient[Any](uri, **_options(variant)) as client:
        await _tasks(awaited(client))


async def _motor(uri: str, variant: str) -> None:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(uri, **_options(variant))
    try:
        await _tasks(awaited(client, "motor"))
    finally:
        client.close()


async def _mongojet(uri: str, variant: str) -> None:
    from mongojet import create_client

    extra = {"waiting": "maxPoolSize=1", "zlib": "compressors=zlib", "zstd": "compressors=zstd"}
    option = extra.get(variant, "")
    # Its own default is a pool of 10; the others have 100.
    option = option or "maxPoolSize=100"
    client = await create_client(f"{uri}{'&' if '?' in uri else '?'}{option}")
    try:
        await _tasks(awaited(client, "mongojet"))
    finally:
        await client.close()


async def _pymongo_to_thread(uri: str, variant: str) -> None:
    from pymongo import MongoClient

    with MongoClient[Any](uri, **_options(variant)) as client:
        # The loop's default executor, as everybody has it: min(32, cores + 4) threads.
        in_thread = {
            name: (lambda call=call: asyncio.to_thread(call))
            for name, call in blocking(client).items()
        }
        await _tasks(in_thread)


def _pymongo_threads(uri: str, variant: str) -> None:
    from pymongo import MongoClient

    with MongoClient[Any](uri, **_options(variant)) as client:
        calls = blocking(client)
        converse(lambda job: measure_threads(calls[job.operation], job))


def _pymongo_gevent(uri: str, variant: str) -> None:
    import gevent
    from pymongo import MongoClient

    with MongoClient[Any](uri, **_options(variant)) as client:
        calls = blocking(client)
        wait = gevent.get_hub().threadpool.apply
        # A plain readline would stop the hub, and with it the client's monitors.
        converse(
            lambda job: measure_greenlets(calls[job.operation], job),
            lambda: str(wait(sys.stdin.readline)),
        )


BASELINE = "pymongo-async"


def _both(
    name: str, label: str, main: Callable[[str, str], Coroutine[Any, Any, None]]
) -> tuple[Contender, Contender]:
    return (
        Contender(name, label, _on_loop(main, uvloop=False)),
        Contender(
            f"{name.removesuffix('-async')}-uvloop", f"{label}, uvloop", _on_loop(main, uvloop=True)
        ),
    )


_ALL = (
    Contender("raw", "bare sockets (floor)", _raw, most=100),
    Contender("hub", "greenmongo, in its hub", _greenmongo_hub, ours=True),
    Contender("greenlets", "greenmongo, greenlets", _greenmongo_greenlets, ours=True),
    Contender("threads", "greenmongo, threads", _greenmongo_threads, ours=True, most=1000),
    Contender("asyncio", "bridge, asyncio", _on_loop(_bridge, uvloop=False), ours=True),
    Contender("uvloop", "bridge, uvloop", _on_loop(_bridge, uvloop=True), ours=True),
    *_both(BASELINE, "PyMongo async", _pymongo_async),
    *_both("motor", "Motor", _motor),
    *_both("mongojet", "Mongojet", _mongojet),
    Contender("pymongo-gevent", "PyMongo, gevent patched", _pymongo_gevent, patched=True),
    Contender("pymongo-threads", "PyMongo, threads", _pymongo_threads, most=1000),
    Contender(
        "pymongo-to-thread",
        "PyMongo, to_thread",
        _on_loop(_pymongo_to_thread, uvloop=False),
        most=1000,
    ),
)

CONTENDERS: Mapping[str, Contender] = {contender.name: contender for contender in _ALL}

DOORS: Mapping[str, tuple[str, ...]] = {
    "asyncio": (BASELINE, "motor", "mongojet"),
    "uvloop": ("pymongo-uvloop", "motor-uvloop", "mongojet-uvloop"),
    "greenlets": ("pymongo-gevent",),
    "threads": ("pymongo-threads",),
}
"""The doors, and what each is compared with: callers of the same kind."""


def find(name: str) -> Contender:
    """Return the contender of that name.

    Raises:
        ValueError: there is none; the message names those there are.
    """
    if name not in CONTENDERS:
        raise ValueError(f"no contender {name!r}; there are {', '.join(CONTENDERS)}")
    return CONTENDERS[name]
