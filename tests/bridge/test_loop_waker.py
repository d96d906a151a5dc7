from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bridge._crossing.loop_waker import LoopWaker, new_loop_waker
from tests.support.fix_loops import ASYNCIO_LOOPS, Connect, Run, eventually
from tests.support.fix_scripted import ScriptedServer

DESCRIPTORS = Path("/proc/self/fd")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS),
    pytest.mark.parametrize("kind", ["counter", "no counters", "no readers"], indirect=True),
]


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the loop and the system offer."""
    if request.param == "no counters":
        monkeypatch.delattr(os, "eventfd")
    name: str = request.param
    return name


class Limited:
    """A loop that lacks readers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def add_reader(self, *_args: object) -> None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def waker_of(
    loop: asyncio.AbstractEventLoop, kind: str, on_wake: Callable[[], object]
) -> LoopWaker:
    limited: Any = Limited(loop) if kind == "no readers" else loop
    return new_loop_waker(limited, on_wake)


def counters() -> set[str]:
    """Return the event counters that are open, those of other tests' leftovers as well."""
    gc.collect()
    found = set()
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        # Others may be closed since they were listed.
        with suppress(FileNotFoundError):
            if "eventfd" in os.readlink(entry):
                found.add(entry.name)
    return found


async def test_whatever_was_done_before_a_wake_is_seen_after_it(
    anyio_backend: Any, kind: str
) -> None:
    done, seen = [0], [0]

    def on_wake() -> None:
        seen[0] = done[0]

    waker = waker_of(asyncio.get_running_loop(), kind, on_wake)

    def work() -> None:
        for _ in range(5_000):
            done[0] += 1
            waker.wake()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await eventually(lambda: seen[0] == done[0] > 0)


def test_nobody_minds_a_waker_of_a_closed_loop(
    anyio_backend: Any, kind: str, run_on_loop: Run[Any]
) -> None:
    async def make() -> LoopWaker:
        return waker_of(asyncio.get_running_loop(), kind, pytest.fail)

    before = counters()
    waker = run_on_loop(make)
    waker.wake()
    del waker
    assert counters() <= before


async def test_a_waker_that_is_dropped_is_taken_down(anyio_backend: Any, kind: str) -> None:
    woken: list[None] = []
    loop = asyncio.get_running_loop()
    before = counters()
    wakers = [waker_of(loop, kind, lambda: woken.append(None)) for _ in range(3)]
    for n in range(3):
        wakers[n].wake()
    await eventually(lambda: len(woken) == 3)
    wakers.clear()
    await eventually(lambda: counters() <= before)


async def test_a_wake_for_nothing_calls_nobody(anyio_backend: Any, kind: str) -> None:
    woken: list[None] = []
    loop = asyncio.get_running_loop()
    waker = waker_of(loop, kind, lambda: woken.append(None))
    if kind == "counter":
        # Somebody has read it before the loop does.
        waker.wake()
        os.eventfd_read(waker._counter)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert woken == []
    waker.wake()
    await eventually(lambda: len(woken) == 1)


async def test_a_client_works_with_any(
    anyio_backend: Any,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    scripted_server: ScriptedServer,
    connect: Connect,
) -> None:
    if kind == "no readers":
        monkeypatch.setattr(
            "bridge._crossing.asyncio_port.new_loop_waker",
            lambda loop, do: waker_of(loop, kind, do),
        )
    client = connect(scripted_server.uri)
    replies = await asyncio.gather(*[client.admin.command("ping") for _ in range(200)])
    assert all(reply["ok"] for reply in replies)
