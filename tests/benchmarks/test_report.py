"""What was measured can be written, read, chosen and compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.__main__ import parse, selected
from benchmarks.measure import Job, Sample
from benchmarks.race import Result, median_sample
from benchmarks.report import as_json, from_json, ratios


def result(contender: str, costs: list[float]) -> Result:
    """Return what a contender took in its rounds, seconds of CPU for each call."""
    rounds = [Sample(calls=10, wall=1.0, cpu=10 * cost, p50=cost, p99=cost) for cost in costs]
    return Result("fixed", contender, Job(1, 0.1), median_sample(rounds), tuple(rounds))


def test_results_come_back_from_json() -> None:
    results = [result("asyncio", [1.0, 2.0]), replace(result("motor", [3.0]), state="awake")]
    assert from_json(as_json(results, {"python": "3"})) == (results, {"python": "3"})


def test_rounds_are_compared_one_by_one() -> None:
    ours, peer = result("asyncio", [1.0, 2.0, 4.0]), result("motor", [4.0, 6.0, 4.0])
    assert ratios(ours, peer, lambda sample: sample.cost) == [1.0, 3.0, 4.0]


def test_without_a_choice_everything_is_measured() -> None:
    races = list(selected(parse([])))
    assert {race.target for race in races} == {"fixed", "fixed tls", "mongod"}
    assert {race.state for race in races} == {"idle", "awake"}
    assert {job.concurrency for race in races for job in race.jobs} >= {1, 10, 100, 1000, 10_000}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--target", "mongod", "--operation", "mixed", "--only", "asyncio", "pymongo-async"],
        ["--quick", "--target", "fixed", "--operation", "mixed"],
    ],
)
def test_what_is_chosen_is_measured_and_nothing_else(arguments: list[str]) -> None:
    (race,) = selected(parse(arguments))
    assert race.target in arguments
    assert race.contenders == ("asyncio", "pymongo-async")
    assert {job.operation for job in race.jobs} == {"mixed"}


def test_awake_are_only_lonely_callers() -> None:
    races = list(selected(parse(["--awake"])))
    assert {race.state for race in races} == {"awake"}
    assert {job.concurrency for race in races for job in race.jobs} == {1}
