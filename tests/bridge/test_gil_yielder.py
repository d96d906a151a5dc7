from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

import bridge._crossing.gil_yielder as module
from bridge._crossing.gil_yielder import LONGEST_PERIOD, PERIOD, GilYielder


class NotingLoop(asyncio.SelectorEventLoop):
    """Notes for how long its timers were set."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def call_later(self, delay: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        self.delays.append(delay)
        return super().call_later(delay, *args, **kwargs)


async def burn(until: Callable[[], object]) -> None:
    """Keep the loop busy: there is always another callback ready."""
    while not until():
        end = perf_counter() + 200e-6
        while perf_counter() < end:
            pass
        await asyncio.sleep(0)


def run(
    main: Callable[[GilYielder, NotingLoop], Any],
    wait_for_iteration: Callable[[float], object] = abs,
) -> None:
    loop = NotingLoop()
    try:
        loop.run_until_complete(main(GilYielder(loop, wait_for_iteration), loop))
    finally:
        loop.close()


def call_started(yielder: GilYielder) -> None:
    yielder.under_way += 1
    if yielder.looks:
        yielder.look()


async def until_checked(loop: NotingLoop, delay: float) -> None:
    while delay not in loop.delays:  # noqa: ASYNC110  # what nobody announces has to be looked for
        await asyncio.sleep(0.001)


def test_an_idle_loop_is_checked_ever_more_rarely() -> None:
    async def main(yielder: GilYielder, loop: NotingLoop) -> None:
        call_started(yielder)
        await asyncio.wait_for(until_checked(loop, LONGEST_PERIOD), 15)
        yielder.under_way -= 1

    run(main)


def test_a_busy_loop_is_checked_often_and_lets_others_run(monkeypatch: Any) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module, "native_sleep", slept.append)

    async def main(yielder: GilYielder, loop: NotingLoop) -> None:
        call_started(yielder)
        await asyncio.wait_for(burn(lambda: len(slept) >= 5), 15)
        assert loop.delays.count(PERIOD) >= 5
        yielder.under_way -= 1

    run(main)


def test_a_busy_loop_waits_for_a_turn_that_the_hub_has_begun(monkeypatch: Any) -> None:
    done: list[float] = []
    monkeypatch.setattr(module, "native_sleep", done.append)

    async def main(yielder: GilYielder, loop: NotingLoop) -> None:
        call_started(yielder)
        await asyncio.wait_for(burn(lambda: done), 15)
        assert done[:2] == [module.INSTANT, module.LONGEST_WAIT]
        yielder.under_way -= 1

    run(main, done.append)


def test_a_busy_loop_lets_others_run_when_it_submits_a_call(monkeypatch: Any) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module, "native_sleep", slept.append)

    async def main(yielder: GilYielder, loop: NotingLoop) -> None:
        call_started(yielder)
        # In this task: nothing comes in between, and so the loop is taken for busy.
        await burn(lambda: slept)
        before = len(slept)
        monkeypatch.setattr(module, "GAP", 0.0)
        call_started(yielder)
        assert len(slept) == before + 1
        # Not each of a crowd that is submitted at once.
        monkeypatch.setattr(module, "GAP", 60.0)
        call_started(yielder)
        assert len(slept) == before + 1

    run(main)


def test_without_calls_there_are_no_checks() -> None:
    async def main(yielder: GilYielder, loop: NotingLoop) -> None:
        call_started(yielder)
        yielder.under_way -= 1
        for _ in range(20):
            await asyncio.sleep(0.001)
        ours = [delay for delay in loop.delays if delay != 0.001]
        assert ours == [PERIOD]
        call_started(yielder)
        assert loop.delays[-1] == PERIOD

    run(main)
