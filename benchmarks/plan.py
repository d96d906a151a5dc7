"""What `make bench` measures: a list of races, each on one server in one variant."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.contenders import BASELINE, DOORS
from benchmarks.measure import Job
from benchmarks.operations import BULK, SMALL
from benchmarks.race import Schedule

__all__ = ["VARIANTS", "Race", "awake", "full", "quick"]

VARIANTS = ("plain", "tls", "zlib", "zstd", "listener", "request", "waiting")
EVERYBODY = tuple(name for door, peers in DOORS.items() for name in (door, *peers))
TASKS = ("asyncio", "uvloop", BASELINE, "pymongo-uvloop", "mongojet", "mongojet-uvloop")
PAIR = ("asyncio", BASELINE)
WAITING = 5000
LEVELS = (1, 10, 100, 1000, 10_000)


@dataclass(frozen=True, slots=True)
class Race:
    """Contenders with jobs, on one server."""

    target: str
    contenders: tuple[str, ...]
    jobs: tuple[Job, ...]
    schedule: Schedule
    variant: str = "plain"
    state: str = "idle"


def _jobs(operations: Sequence[str], levels: Sequence[int], seconds: float) -> tuple[Job, ...]:
    return tuple(
        # Ten thousand have waited long for their first turn.
        Job(level, seconds, least=1 if level > 1000 else 2, operation=operation)
        for operation in operations
        for level in levels
    )


def full(seconds: float, rounds: int) -> list[Race]:
    """Return everything, at `seconds` a round."""
    schedule = Schedule(rounds, warm_up=0.6 * seconds)
    one, hundred = _jobs(["find_one"], [1], seconds), _jobs(["find_one"], [100], seconds)
    races = [
        Race(
            "fixed", EVERYBODY, _jobs(["find_one"], [1, 10, 100, 1000, 10_000], seconds), schedule
        ),
        Race("mongod", EVERYBODY, one + hundred, schedule),
        Race("fixed", EVERYBODY, one, schedule, state="awake"),
        Race("mongod", EVERYBODY, one, schedule, state="awake"),
        Race("fixed", TASKS, _jobs(SMALL[1:], [1, 100], seconds), schedule),
        Race("mongod", TASKS, _jobs(SMALL[1:], [100], seconds), schedule),
        Race("fixed", (*TASKS, "motor"), _jobs(BULK, [1], seconds), schedule),
        Race("mongod", TASKS, _jobs(BULK, [1], seconds), schedule),
    ]
    for variant in ("tls", "zlib", "zstd", "listener", "request"):
        target = "fixed tls" if variant == "tls" else "fixed"
        races.append(Race(target, PAIR, one + hundred, schedule, variant))
    waiting = (Job(WAITING, 0.3, operation="waiting"),)
    races.append(Race("fixed", TASKS, waiting, Schedule(1, warm_up=0.1), "waiting"))
    return races


def quick() -> list[Race]:
    """Return what says the most within a minute."""
    schedule = Schedule(rounds=2, warm_up=0.15)
    jobs = _jobs(["find_one"], [1, 100], 0.15)
    bulk = _jobs(BULK, [1], 0.15)
    return [
        Race("fixed", EVERYBODY, jobs, schedule),
        Race("fixed", PAIR, _jobs(SMALL[1:], [100], 0.15) + bulk, schedule),
        Race("mongod", PAIR, jobs, schedule),
    ]


@contextmanager
def awake(wanted: bool) -> Iterator[None]:
    """Keep the machine's cores from sleeping: a busy loop on each, of the lowest priority.

    Waking a core that sleeps takes up to 50 microseconds in a virtual machine, and a lonely caller
    pays it at each hand-over. A machine that has other work to do does not sleep.
    """
    cores = os.cpu_count() or 1 if wanted else 0
    loop = f"import os\nos.nice(19)\nwhile os.getppid() == {os.getpid()}: pass"
    busy = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
