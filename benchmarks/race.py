"""Interleaved rounds: A B C, A B C, ... so that a noisy minute hits everybody alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace

from benchmarks.contenders import Contender, find
from benchmarks.measure import Job, Sample
from benchmarks.worker import Worker, WorkerFailed

__all__ = ["Result", "Schedule", "median_sample", "race"]

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often everything is measured, after a warm-up of so many seconds."""

    rounds: int
    warm_up: float


@dataclass(frozen=True, slots=True)
class Result:
    """The median of one contender's rounds at one job."""

    target: str
    contender: str
    job: Job
    median: Sample
    rounds: tuple[Sample, ...]
    variant: str = "plain"
    state: str = "idle"
    """Whether the machine's cores were `idle` between the calls, or kept `awake`."""


def median_sample(samples: Sequence[Sample]) -> Sample:
    """Return the sample whose every figure is the median of that figure.

    Rate and cost per call are what is compared, so wall and CPU time are scaled to the median
    number of calls rather than taken by themselves.
    """
    values = {
        field.name: statistics.median(getattr(sample, field.name) for sample in samples)
        for field in fields(Sample)
    }
    calls = round(values["calls"])
    wall = calls * statistics.median(sample.wall / sample.calls for sample in samples)
    cpu = calls * statistics.median(sample.cpu / sample.calls for sample in samples)
    return Sample(**{**values, "calls": calls, "wall": wall, "cpu": cpu})


def _start(
    contenders: Iterable[Contender], uri: str, variant: str, stack: ExitStack, tell: Tell
) -> list[Worker]:
    started: list[Worker] = []
    for contender in contenders:
        worker = Worker(contender.name, uri, variant, patched=contender.patched)
        stack.callback(worker.close)
        started.append(worker)
    ready: list[Worker] = []
    for worker in started:
        try:
            worker.wait_until_ready()
        except WorkerFailed as error:
            tell(f"left out: {error}")
        else:
            ready.append(worker)
    return ready


def _rounds(
    workers: list[Worker], job: Job, schedule: Schedule, tell: Tell
) -> Mapping[str, list[Sample]]:
    """Do the job in turns; who fails is left out of `workers` from then on."""
    samples: dict[str, list[Sample]] = {worker.name: [] for worker in workers}
    warm_up = replace(job, seconds=schedule.warm_up)
    if job.operation == "waiting":
        # Its callers never return.
        warm_up = replace(warm_up, operation="find_one", concurrency=1)
    for turn in range(schedule.rounds + 1):
        # Everyone is first in turn: whoever follows a heavy neighbour inherits its heat.
        shift = turn % max(1, len(workers))
        for worker in workers[shift:] + workers[:shift]:
            try:
                sample = worker.measure(job if turn else warm_up)
            except WorkerFailed as error:
                tell(f"gave up: {error}")
                workers.remove(worker)
                del samples[worker.name]
                continue
            if turn:
                samples[worker.name].append(sample)
    return samples


def race(
    target: str,
    uri: str,
    contenders: Iterable[Contender],
    jobs: Iterable[Job],
    schedule: Schedule,
    tell: Tell,
    variant: str = "plain",
    state: str = "idle",
) -> list[Result]:
    """Measure all contenders at all jobs against one server."""
    results: list[Result] = []
    with ExitStack() as stack:
        workers = _start(contenders, uri, variant, stack, tell)
        for job in jobs:
            tell(f"{target}, {variant}, {state}, {job.operation}, {job.concurrency} concurrent")
            able = [worker for worker in workers if find(worker.name).most >= job.concurrency]
            began = list(able)
            for name, samples in _rounds(able, job, schedule, tell).items():
                median = median_sample(samples)
                results.append(Result(target, name, job, median, tuple(samples), variant, state))
            workers = [each for each in workers if each not in began or each in able]
    return results
