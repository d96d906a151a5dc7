"""Measure operations through every door and beside every peer; print the ratios, draw a picture.

Each contender runs in a process of its own, and rounds alternate: only figures of one race compare.
A row says how many times less processor time (of the client's process) our door takes than its
peer, as least/median/most of the rounds; for a single caller also what share of the peer's latency
its own is (medians). `fixed` is a server that always gives the same answer, `mongod` a real one.

A long run can be done in parts: `--json FILE` adds what is measured to a file, `--render FILE`
makes the tables and the picture of it again.
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

from benchmarks import plan, report
from benchmarks.contenders import CONTENDERS, find
from benchmarks.measure import COLLECTION, DATABASE, DOCUMENT, FILTER, MANY, many_documents
from benchmarks.operations import OPERATIONS
from benchmarks.race import Result, race
from benchmarks.server import FixedServer

ROOT = Path(__file__).parent.parent
DEFAULT_PLOT = ROOT / "docs" / "benchmark.png"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
TARGETS = ("fixed", "fixed tls", "mongod")


@contextmanager
def fixed_server(*, tls: bool = False) -> Iterator[str]:
    """Run the fixed-reply server."""
    with FixedServer(tls=tls) as server:
        yield server.uri


@contextmanager
def mongod(uri: str | None) -> Iterator[str]:
    """Use the server at `uri`, or run an embedded one; it has the documents in either case."""
    if uri is not None:
        with _seeded(uri):
            yield uri
        return
    from greenmongo.embedded import MongoServer

    with MongoServer() as server, _seeded(server.uri):
        yield server.uri


@contextmanager
def _seeded(uri: str) -> Iterator[None]:
    with MongoClient[dict[str, Any]](uri) as client:
        client[DATABASE][COLLECTION].replace_one(FILTER, DOCUMENT, upsert=True)
        client[DATABASE][MANY].drop()
        client[DATABASE][MANY].insert_many(many_documents())
        try:
            yield
        finally:
            client.drop_database(DATABASE)


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: each contender has its own full pool.

    The servers inherit the limit.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a rough look, in about a minute")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=CONTENDERS, help=", ".join(CONTENDERS)
    )
    parser.add_argument("--operation", nargs="+", choices=OPERATIONS)
    parser.add_argument("--concurrency", nargs="+", type=int, metavar="N", help="callers")
    parser.add_argument("--target", nargs="+", choices=TARGETS, help="servers")
    parser.add_argument("--variant", nargs="+", choices=plan.VARIANTS, help="ways to connect")
    parser.add_argument(
        "--awake",
        action="store_true",
        help="only the measurements with the machine's cores kept from sleeping",
    )
    parser.add_argument("--seconds", type=float, default=0.4, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mongo-uri", help="a running mongod, instead of the embedded one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add all rounds to what is there")
    parser.add_argument(
        "--render", nargs="+", type=Path, metavar="FILE", help="measure nothing: show these"
    )
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw the picture there")
    parser.add_argument(
        "--page", action="store_true", help="put tables and picture into the documentation"
    )
    return parser.parse_args(arguments)


def selected(options: argparse.Namespace) -> Iterator[plan.Race]:
    """Return the races that are wanted, with those jobs and contenders alone that are."""
    races = plan.quick() if options.quick else plan.full(options.seconds, options.rounds)
    for each in races:
        if options.target and each.target not in options.target:
            continue
        if options.variant and each.variant not in options.variant:
            continue
        if options.awake and each.state != "awake":
            continue
        jobs = tuple(
            job
            for job in each.jobs
            if (not options.operation or job.operation in options.operation)
            and (not options.concurrency or job.concurrency in options.concurrency)
        )
        contenders = tuple(
            name for name in each.contenders if not options.only or name in options.only
        )
        if jobs and contenders:
            yield replace(each, jobs=jobs, contenders=contenders)


def run(options: argparse.Namespace, keep: Callable[[list[Result]], None]) -> list[Result]:
    """Race; what is found is kept after each race."""
    servers: Mapping[str, Callable[[], AbstractContextManager[str]]] = {
        "fixed": fixed_server,
        "fixed tls": lambda: fixed_server(tls=True),
        "mongod": lambda: mongod(options.mongo_uri),
    }
    results: list[Result] = []
    for each in selected(options):
        contenders = [find(name) for name in each.contenders]
        with servers[each.target]() as uri, plan.awake(each.state == "awake"):
            results += race(
                each.target,
                uri,
                contenders,
                each.jobs,
                each.schedule,
                report.say,
                each.variant,
                each.state,
            )
        keep(results)
    return results


def write_page(results: Sequence[Result], facts: Mapping[str, str]) -> None:
    """Put the figures where the documentation has them."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    figures = report.markdown(results, facts)
    PAGE.write_text(f"{before}{BEGIN}\n\n{figures}\n{END}{after}")


def main() -> int:
    """Measure or read, print, draw; 1 if nothing was found."""
    options = parse()
    raise_file_limit()
    facts, earlier = report.environment(), list[Result]()
    for path in options.render or ([options.json] if options.json else []):
        if options.render or path.exists():
            found, facts = report.from_json(path.read_text())
            earlier += found

    def keep(results: list[Result]) -> None:
        if options.json:
            options.json.write_text(report.as_json([*earlier, *results], facts))

    results = earlier if options.render else [*earlier, *run(options, keep)]
    if not results:
        report.say("nothing that is wanted was measured")
        return 1
    sys.stdout.write(report.table(results) + "\n")
    sys.stdout.write("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
    if options.page:
        write_page(results, facts)
    path = options.plot or (DEFAULT_PLOT if options.page else None)
    if path:
        report.plot(results, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
