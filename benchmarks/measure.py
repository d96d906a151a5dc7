"""What is measured: a crowd of callers repeating one `find_one`, and what it cost.

Nothing here imports a driver or gevent at the top: a contender may have to patch first.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

__all__ = [
    "COLLECTION",
    "DATABASE",
    "DOCUMENT",
    "FILTER",
    "MANY",
    "PAIR",
    "Job",
    "Sample",
    "Stopwatch",
    "many_documents",
    "measure_greenlets",
    "measure_tasks",
    "measure_threads",
    "percentile",
]

DATABASE = "bench"
COLLECTION = "things"
DOCUMENT: Mapping[str, Any] = {"_id": 1, "name": "a small document", "n": 42}
FILTER: Mapping[str, Any] = {"_id": 1}
PAIR = "pair"
"""A collection of three documents, read with a batch size of two."""
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

BlockingCall = Callable[[Mapping[str, Any]], object]
AsyncCall = Callable[[Mapping[str, Any]], Awaitable[object]]


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
        )


def _repeat(find_one: BlockingCall, watch: Stopwatch) -> None:
    record = watch.latencies.append
    before = time.perf_counter()
    for done in itertools.count(1):
        find_one(FILTER)
        now = time.perf_counter()
        record(now - before)
        if now >= watch.deadline and done >= watch.least:
            return
        before = now


async def _repeat_async(find_one: AsyncCall, watch: Stopwatch) -> None:
    record = watch.latencies.append
    before = time.perf_counter()
    for done in itertools.count(1):
        await find_one(FILTER)
        now = time.perf_counter()
        record(now - before)
        if now >= watch.deadline and done >= watch.least:
            return
        before = now


def measure_threads(find_one: BlockingCall, job: Job) -> Sample:
    """Call from as many native threads as the job's concurrency."""
    watch = Stopwatch(job)
    barrier = threading.Barrier(job.concurrency, action=watch.start)

    def caller() -> None:
        # Making the threads is not part of a call.
        barrier.wait()
        _repeat(find_one, watch)

    with ThreadPoolExecutor(job.concurrency) as threads:
        calls = [threads.submit(caller) for _ in range(job.concurrency)]
        for call in calls:
            call.result()
        return watch.sample()


def measure_greenlets(find_one: BlockingCall, job: Job) -> Sample:
    """Call from greenlets of the current thread's hub."""
    import gevent

    watch = Stopwatch(job)
    callers = [gevent.spawn(_repeat, find_one, watch) for _ in range(job.concurrency)]
    watch.start()
    gevent.joinall(callers, raise_error=True)
    return watch.sample()


async def measure_tasks(find_one: AsyncCall, job: Job) -> Sample:
    """Call from tasks of the running loop, with the disturbances that the job asks for."""
    watch = Stopwatch(job)
    timer = _Timer(watch.lateness)
    stopped = threading.Event()
    for _ in range(job.busy_threads):
        threading.Thread(target=_burn_thread, args=(stopped,), daemon=True).start()
    burner = asyncio.create_task(_burn_loop(job.burst)) if job.burst else None
    callers = [asyncio.create_task(_repeat_async(find_one, watch)) for _ in range(job.concurrency)]
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
