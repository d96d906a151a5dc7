"""`bench`: this driver beside PyMongo, on a server of yours."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError

from greenmongo.cli.failures import in_one_line

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_to"]

EXAMPLES = """examples:
  greenmongo bench mongodb://localhost:27017
  greenmongo bench mongodb://db/?replicaSet=rs0 --tasks 1 10 100 1000 --seconds 5

It reads one document of a collection of its own, again and again, in turns with both drivers, and
drops the collection afterwards. CPU is that of this process.
"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    help_text = "measure find_one with this driver and PyMongo's async one, on your server"
    parser = commands.add_parser(
        "bench",
        help=help_text,
        description=help_text,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", metavar="URI", help="connection string, or a host")
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[1, 10, 100], metavar="N", help="default: 1 10 100"
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of each measurement; default: %(default)g"
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Measure and print a table; return 1 if the server could not be used."""
    if min(options.tasks) < 1 or not 0 < options.seconds < 3600:
        options.usage_error("--tasks and --seconds must be positive")
    try:
        from rich.console import Console
        from rich.progress import track
        from rich.table import Table
    except ImportError:
        print("greenmongo: bench needs rich: pip install 'greenmongo[cli]'", file=sys.stderr)
        return 2
    from greenmongo.cli.race import DRIVERS, Measured, prepare, race

    console = Console()
    table = Table("tasks", "driver", "operations/s", "median ms", "99 % ms", "CPU µs/operation")
    try:
        with prepare(options.uri) as name:
            jobs = [(tasks, driver) for tasks in options.tasks for driver in DRIVERS]
            for tasks, driver in track(jobs, "measuring", console=Console(stderr=True)):
                found: Measured = asyncio.run(
                    race(driver, options.uri, name, tasks=tasks, seconds=options.seconds)
                )
                table.add_row(str(tasks), driver, *found.as_row())
    except PyMongoError as error:
        print(f"greenmongo: {in_one_line(error)}", file=sys.stderr)
        return 1
    _show(console, table)
    return 0


def _show(console: Any, table: Any) -> None:
    console.print(table)
