"""Chaos: greenlets, threads, asyncio and trio tasks share one client on a set that breaks down.

    python -m tests.chaos --seconds 60 --seed 7
    python -m tests.chaos --bank --seconds 120
    python -m tests.chaos --stream --seconds 120

It starts its own replica set of three, prints a verdict, and exits with 1 if anything is wrong.
Callers do single operations, or transfer money in transactions, or write what change streams see.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import sys
from random import SystemRandom

from greenmongo.embedded import MongoServer
from tests.chaos.bank.storm import Bank
from tests.chaos.calls import Calls
from tests.chaos.drivers import Driver, Greenmongo, PyMongo
from tests.chaos.ledger import Ledger
from tests.chaos.leftovers import Leftovers
from tests.chaos.run import run
from tests.chaos.stream.storm import Streams
from tests.chaos.verdict import Finding, absent

LONGEST = 600.0


class Stderr(io.TextIOBase):
    """Passes everything on, and counts what nobody caught."""

    def __init__(self) -> None:
        self._real = sys.stderr
        self.tracebacks: list[str] = []

    def write(self, text: str) -> int:
        """Write."""
        if "Traceback" in text or "Exception ignored" in text:
            self.tracebacks.append(text.strip())
        return self._real.write(text)

    def flush(self) -> None:
        """Flush."""
        self._real.flush()


def main() -> int:
    """Run, and return the exit code."""
    arguments = parse()
    print(f"{arguments.storm.__name__}, seed {arguments.seed}, {arguments.seconds:g} s")
    faulthandler.enable()
    faulthandler.dump_traceback_later(arguments.seconds + 300, exit=True)
    stderr = sys.stderr = Stderr()
    ledger = Ledger()
    with MongoServer(members=3) as server:
        leftovers = Leftovers(server.ports)
        driver: Driver = arguments.driver(server.uri, arguments.storm.options)
        with driver.client:
            storm = arguments.storm(driver, ledger, arguments.seed)
            plan = [] if arguments.calm else storm.faults(arguments.seconds)
            findings = run(storm, server, arguments.seconds, plan)
        findings.append(absent("left behind by the client", leftovers.found()))
        findings.append(absent("tracebacks on stderr", stderr.tracebacks))
    faulthandler.cancel_dump_traceback_later()
    return tell(ledger, findings, arguments.seed)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long callers call")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    storms = parser.add_mutually_exclusive_group()
    parser.set_defaults(storm=Calls, driver=Greenmongo)
    storms.add_argument(
        "--bank", dest="storm", action="store_const", const=Bank, help="transfers in transactions"
    )
    storms.add_argument(
        "--stream", dest="storm", action="store_const", const=Streams, help="change streams"
    )
    parser.add_argument(
        "--pymongo",
        dest="driver",
        action="store_const",
        const=PyMongo,
        help="try the verdict of --bank or --stream on PyMongo, which closes connections of"
        " callers that leave",
    )
    parser.add_argument("--calm", action="store_true", help="leave the deployment alone")
    arguments = parser.parse_args()
    if not 0 < arguments.seconds <= LONGEST:
        parser.error(f"--seconds must be positive and at most {LONGEST:g}")
    if arguments.driver is PyMongo and arguments.storm is Calls:
        parser.error("PyMongo has no requests: add --bank or --stream")
    return arguments


def tell(ledger: Ledger, findings: list[Finding], seed: int) -> int:
    """Print what there was and what was found, and return the exit code."""
    for what, count in sorted(ledger.counts.items()):
        print(f"{count:8} {what}")
    for fault in ledger.faults:
        print(f"         {fault.name}, whole again after {fault.ended - fault.began:.1f} s")
    for finding in findings:
        print(finding)
    is_fine = all(finding.is_fine for finding in findings)
    print("PASSED" if is_fine else "FAILED", f"(seed {seed})")
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
