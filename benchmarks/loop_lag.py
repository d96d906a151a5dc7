"""`python -m benchmarks.loop_lag`: what a busy loop and a busy client do to each other.

First, how late an unrelated timer of the caller's loop fires while the loop is saturated with
calls. Then, how many calls get through while something else keeps the loop, or the GIL, busy:
the hub thread needs the GIL for every reply, so this is where a second thread could starve.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmarks import report
from benchmarks.contenders import find
from benchmarks.measure import Job
from benchmarks.race import Result, Schedule, race
from benchmarks.server import FixedServer

CONTENDERS = ("asyncio", "pymongo-async")

LAG_LEVELS = (100, 1000)
BUSY_LEVELS = (1, 100)
DISTURBANCES = (Job(1, 0.0, burst=200e-6), Job(1, 0.0, burst=2e-3), Job(1, 0.0, busy_threads=1))


def jobs(seconds: float) -> list[Job]:
    """Return all that is measured."""
    lag = [Job(level, seconds) for level in LAG_LEVELS]
    busy = [
        replace(disturbance, concurrency=level, seconds=seconds)
        for disturbance in DISTURBANCES
        for level in BUSY_LEVELS
    ]
    return lag + busy


def describe(job: Job) -> str:
    """Name the job for people."""
    if job.burst:
        busy = f"loop busy in bursts of {1e6 * job.burst:,.0f} µs"
    elif job.busy_threads:
        busy = "a busy thread beside the loop"
    else:
        busy = "nothing else on the loop"
    return f"{busy}, {job.concurrency} concurrent"


def table(results: Iterable[Result]) -> str:
    """Return one block per job."""
    rows: list[Sequence[str]] = [
        ("", "ops/s", "p50 ms", "p99 ms", "timer late p50 ms", "timer late p99 ms")
    ]
    seen: set[Job] = set()
    for result in results:
        if result.job not in seen:
            seen.add(result.job)
            rows.append((f"-- {describe(result.job)}", "", "", "", "", ""))
        median = result.median
        times = (median.p50, median.p99, median.late_p50, median.late_p99)
        rows.append(
            (
                f"   {find(result.contender).label}",
                f"{median.rate:,.0f}",
                *(f"{1e3 * seconds:.2f}" for seconds in times),
            )
        )
    return report.lay_out(rows)


def main() -> int:
    """Measure and print; 1 if a contender is missing from the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop_lag")
    parser.add_argument("--quick", action="store_true", help="a rough look")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=CONTENDERS)
    options = parser.parse_args()
    schedule = Schedule(rounds=2 if options.quick else 5, warm_up=0.3)
    seconds = 0.4 if options.quick else 1.5
    contenders = [find(name) for name in options.only]
    with FixedServer() as server:
        results = race("fixed", server.uri, contenders, jobs(seconds), schedule, report.say)
    sys.stdout.write(table(results) + "\n")
    return 0 if {result.contender for result in results} >= set(options.only) else 1


if __name__ == "__main__":
    sys.exit(main())
