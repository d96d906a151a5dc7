"""What is measured: a crowd of callers repeating one operation, and what it cost.

Nothing here imports a driver or gevent at the top: a contender may have to patch first.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import re
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

__all__ = [
    "COLLECTION",
    "DATABASE",
    "DOCUMENT",
    "FILTER",
    "HELD",
    "MANY",
    "PAIR",
    "AsyncCall",
    "BlockingCall",
    "Job",
    "Sample",
    "Stopwatch",
    "many_documents",
    "measure_greenlets",
    "measure_tasks",
    "measure_threads",
    "measure_waiting",
    "percentile",
]

DATABASE = "bench"
COLLECTION = "things"
DOCUMENT: Mapping[str, Any] = {"_id": 1, "name": "a small document", "n": 42}
FILTER: Mapping[str, Any] = {"_id": 1}
PAIR = "pair"
"""A collection of three documents, read with a batch size of two."""
HELD = "held"
"""A collection of the fixed-reply server's: a find there is never answered."""
MANY = "many"
"""A collection of 10,000 documents of 1 KB."""


def many_documents() -> list[dict[str, Any]]:
    """Return 10,000 documents of 1 KB."""
    text = "x" * 233
    return [
        {"_id": n, "n": n, **{f"text{k}": text for k in range(4)}, "float": n / 7, "flag": True}
        for n in range(10_000)
    ]


TIMER_PERIOD = 0.005

BlockingCall = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]
Around = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement, as the parent process orders it."""

    concurrency: int
    seconds: float
    least: int = 1
    """Every caller makes at least this many calls, however slow they are."""
    burst: float = 0.0
    """Seconds of Python that a background task burns between two turns of the loop."""
    busy_threads: int = 0
    """Plain threads that do nothing but hold the GIL."""
    operation: str = "find_one"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one measurement found; times in seconds."""

    calls: int
    wall: float
    cpu: float
    p50: float
    p99: float
    late_p50: float = 0.0
    late_p99: float = 0.0
    late_max: float = 0.0
    """The longest that the loop stood still."""
    kilobytes: float = 0.0
    """Memory for each waiting task."""

    @property
    def cost(self) -> float:
        """CPU time of the client's process per call."""
        return self.cpu / self.calls

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.wall


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Stopwatch:
    """Wall and CPU time of one measurement, and the latency of every call in it."""

    def __init__(self, job: Job) -> None:
        self.least = job.least
        self.latencies: list[float] = []
        self.lateness: list[float] = []
        self._seconds = job.seconds
        self.start()

    def start(self) -> None:
        """Begin now; callers stop at the first call that ends after `deadline`."""
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        self.deadline = self._wall + self._seconds

    def sample(self) -> Sample:
        """Stop, and return what was seen."""
        wall = time.perf_counter() - self._wall
        cpu = time.process_time() - self._cpu
        return Sample(
            calls=len(self.latencies),
            wall=wall,
            cpu=cpu,
            p50=percentile(self.latencies, 0.5),
            p99=percentile(self.latencies, 0.99),
            late_p50=percentile(self.lateness, 0.5) if self.lateness else 0.0,
            late_p99=percentile(self.lateness, 0.99) if self.lateness else 0.0,
            late_max=max(self.lateness, default=0.0),
        )


def _repeat(call: BlockingCall, watch: Stopwatch) -> None:
    record = watch.latencies.append
    before = time.perf_counter()
    for done in itertools.count(1):
        call()
        now = time.perf_counter()
        record(now - before)
        if now >= watch.deadline and done >= watch.least:
            return
        before = now


async def _repeat_async(call: AsyncCall, watch: Stopwatch, around: Around) -> None:
    record = watch.latencies.append
    async with around():
        before = time.perf_counter()
        for done in itertools.count(1):
            await call()
            now = time.perf_counter()
            record(now - before)
            if now >= watch.deadline and done >= watch.least:
                return
            before = now


def measure_threads(call: BlockingCall, job: Job) -> Sample:
    """Call from as many native threads as the job's concurrency."""
    watch = Stopwatch(job)
    barrier = threading.Barrier(job.concurrency, action=watch.start)

    def caller() -> None:
        # Making the threads is not part of a call.
        barrier.wait()
        _repeat(call, watch)

    with ThreadPoolExecutor(job.concurrency) as threads:
        callers = [threads.submit(caller) for _ in range(job.concurrency)]
        for each in callers:
            each.result()
        return watch.sample()


def measure_greenlets(call: BlockingCall, job: Job) -> Sample:
    """Call from greenlets of the current thread's hub."""
    import gevent

    watch = Stopwatch(job)
    callers = [gevent.spawn(_repeat, call, watch) for _ in range(job.concurrency)]
    watch.start()
    gevent.joinall(callers, raise_error=True)
    return watch.sample()


async def measure_tasks(call: AsyncCall, job: Job, around: Around = nullcontext) -> Sample:
    """Call from tasks of the running loop, with the disturbances that the job asks for.

    Args:
        call: the operation.
        job: how it is called.
        around: what each task enters before its first call, and leaves after its last.
    """
    watch = Stopwatch(job)
    timer = _Timer(watch.lateness)
    stopped = threading.Event()
    for _ in range(job.busy_threads):
        threading.Thread(target=_burn_thread, args=(stopped,), daemon=True).start()
    burner = asyncio.create_task(_burn_loop(job.burst)) if job.burst else None
    callers = [
        asyncio.create_task(_repeat_async(call, watch, around)) for _ in range(job.concurrency)
    ]
    timer.start()
    watch.start()
    try:
        await asyncio.gather(*callers)
        return watch.sample()
    finally:
        stopped.set()
        timer.stop()
        if burner is not None:
            burner.cancel()


async def _burn_loop(burst: float) -> None:
    while True:
        end = time.perf_counter() + burst
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


def _burn_thread(stopped: threading.Event) -> None:
    while not stopped.is_set():
        for _ in range(10_000):
            pass


class _Timer:
    """A timer that has nothing to do with the calls, and notes how late it fires."""

    def __init__(self, lateness: list[float]) -> None:
        self._lateness = lateness
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        # Not loop.time(): uvloop's is cached and counts whole milliseconds.
        self._due = time.perf_counter() + TIMER_PERIOD
        self._handle = self._loop.call_later(TIMER_PERIOD, self._fire)

    def stop(self) -> None:
        self._handle.cancel()

    def _fire(self) -> None:
        self._lateness.append(time.perf_counter() - self._due)
        self.start()


async def measure_waiting(call: AsyncCall, job: Job) -> Sample:
    """Have tasks wait for one connection that never gets its answer; measure their memory.

    Nothing ends them: the process is of no other use afterwards.
    """
    watch, before = Stopwatch(job), _private_kilobytes()
    tasks = [asyncio.ensure_future(call()) for _ in range(job.concurrency)]
    # They have all begun to wait when nothing changes any more.
    last, now = before, 0
    while now != last:
        await asyncio.sleep(job.seconds)
        last, now = now, _private_kilobytes()
    watch.latencies.append(job.seconds)
    assert not any(task.done() for task in tasks)
    return replace(watch.sample(), kilobytes=(now - before) / job.concurrency)


def _private_kilobytes() -> int:
    gc.collect()
    text = Path("/proc/self/smaps_rollup").read_text()
    found = re.findall(r"^Private_(?:Clean|Dirty): +([0-9]+) kB$", text, re.MULTILINE)
    return sum(map(int, found))
