"""Measure find_one by _id, through every door and beside every peer, in one run.

Every figure is the median of alternating rounds, and only figures of one run compare. Above 100
concurrent callers the default pool of 100 connections is what they share. "Bare sockets" is no
driver at all: what the server and the machine allow. A quick run is short enough for the 99th
percentile to show pools that still grow.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from benchmarks import report
from benchmarks.contenders import BASELINE, CONTENDERS, find
from benchmarks.measure import COLLECTION, DATABASE, DOCUMENT, FILTER, Job
from benchmarks.race import Result, Schedule, race
from benchmarks.server import FixedServer

LEVELS = (1, 10, 100, 1000)
FULL = Schedule(rounds=5, warm_up=0.3)
FULL_JOB = Job(concurrency=1, seconds=0.5, least=2)

QUICK_LEVELS = (1, 100, 1000)
# A shorter warm-up would leave pools growing while they are measured.
QUICK = Schedule(rounds=2, warm_up=0.15)
QUICK_JOB = Job(concurrency=1, seconds=0.12)
QUICK_WITHOUT = frozenset({"pymongo-uvloop", "pymongo-threads"})

DEFAULT_PLOT = Path(__file__).parent.parent / "docs" / "benchmark.png"


@contextmanager
def fixed_server() -> Iterator[str]:
    """Run the fixed-reply server."""
    with FixedServer() as server:
        yield server.uri


@contextmanager
def mongod(uri: str | None) -> Iterator[str]:
    """Use the server at `uri`, or run an embedded one; it has the document in either case."""
    if uri is not None:
        _seed(uri)
        yield uri
        return
    from greenmongo.embedded import MongoServer

    with MongoServer() as server:
        _seed(server.uri)
        yield server.uri


def _seed(uri: str) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        client[DATABASE][COLLECTION].replace_one(FILTER, DOCUMENT, upsert=True)


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: each contender has its own full pool.

    The servers inherit the limit.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look, in under a minute")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"some of: {', '.join(CONTENDERS)}; {BASELINE} is what the others are compared with",
    )
    parser.add_argument(
        "--target",
        nargs="+",
        choices=("fixed", "mongod"),
        default=["fixed", "mongod"],
        help="the fixed-reply server, a real one, or both (default)",
    )
    parser.add_argument("--mongo-uri", help="a running mongod, instead of the embedded one")
    parser.add_argument("--concurrency", nargs="+", type=int, metavar="N", help="other levels")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all rounds there")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PATH",
        help=f"write the plot there (a full run: docs/{DEFAULT_PLOT.name} unless told otherwise)",
    )
    options = parser.parse_args(arguments)
    if not options.only:
        left_out = QUICK_WITHOUT if options.quick else frozenset()
        options.only = [name for name in CONTENDERS if name not in left_out]
    return options


def run(options: argparse.Namespace) -> list[Result]:
    """Race on every wanted server."""
    schedule, job, levels = (
        (QUICK, QUICK_JOB, QUICK_LEVELS) if options.quick else (FULL, FULL_JOB, LEVELS)
    )
    jobs = [replace(job, concurrency=level) for level in options.concurrency or levels]
    contenders = [find(name) for name in options.only]
    servers: Mapping[str, Callable[[], AbstractContextManager[str]]] = {
        "fixed": fixed_server,
        "mongod": lambda: mongod(options.mongo_uri),
    }
    results: list[Result] = []
    for target in options.target:
        with servers[target]() as uri:
            results += race(target, uri, contenders, jobs, schedule, report.say)
    return results


def main() -> int:
    """Measure, print, write; 1 if a contender is missing from the results."""
    options = parse()
    raise_file_limit()
    try:
        results = run(options)
    except ValueError as error:
        report.say(str(error))
        return 2
    sys.stdout.write(report.table(results) + "\n")
    facts = report.environment()
    sys.stdout.write("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
    if options.json:
        options.json.write_text(report.as_json(results))
    whole = not options.quick and set(options.only) == set(CONTENDERS)
    path = options.plot or (DEFAULT_PLOT if whole else None)
    if path and results:
        report.plot(results, path)
    return 0 if {result.contender for result in results} >= set(options.only) else 1


if __name__ == "__main__":
    sys.exit(main())
