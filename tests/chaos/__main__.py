"""Chaos: greenlets, threads, asyncio and trio tasks share one client on a set that breaks down.

    python -m tests.chaos --seconds 60 --seed 7

It starts its own replica set of three, prints a verdict, and exits with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import sys
import time
from collections.abc import Callable
from functools import partial
from random import Random, SystemRandom
from threading import Thread
from time import monotonic
from typing import Any

import anyio
from pymongo.write_concern import WriteConcern

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo.embedded import MongoServer
from greenmongo.hub import statistics_of
from tests.chaos.callers import Caller, run_greenlets, run_threads
from tests.chaos.faults import Faults
from tests.chaos.ledger import Ledger
from tests.chaos.steps import DATABASE, THINGS
from tests.chaos.tasks import TaskCaller, run_tasks
from tests.chaos.verdict import Finding, absent, judge

CAP = 20
GREENLETS, THREADS, ASYNCIO_TASKS, TRIO_TASKS = 200, 20, 100, 50
LONGEST = 600.0
ENDS_WITHIN = 60.0
LOOK_EVERY = 0.5

Client = MongoClient[dict[str, Any]]


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
    print(f"seed {arguments.seed}, {arguments.seconds:g} s")
    faulthandler.dump_traceback_later(arguments.seconds + 300, exit=True)
    stderr = sys.stderr = Stderr()
    with MongoServer(members=3) as server:
        ledger = Ledger()
        client: Client = MongoClient(server.uri, maxPoolSize=CAP)
        with client:
            findings = run(client, server, ledger, arguments.seconds, arguments.seed)
        findings.append(absent("tracebacks on stderr", stderr.tracebacks))
    faulthandler.cancel_dump_traceback_later()
    for what, count in sorted(ledger.counts.items()):
        print(f"{count:8} {what}")
    for fault in ledger.faults:
        print(f"         {fault.name}, whole again after {fault.ended - fault.began:.1f} s")
    for finding in findings:
        print(finding)
    is_fine = all(finding.is_fine for finding in findings)
    print("PASSED" if is_fine else "FAILED", f"(seed {arguments.seed})")
    return 0 if is_fine else 1


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long callers call")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    if not 0 < arguments.seconds <= LONGEST:
        parser.error(f"--seconds must be positive and at most {LONGEST:g}")
    return arguments


def run(
    client: Client, server: MongoServer, ledger: Ledger, seconds: float, seed: int
) -> list[Finding]:
    """Let everybody loose, wait until all have come to an end, and judge."""
    prepare(client)
    began = monotonic()
    faults = Faults(server, ledger, began, seconds)
    threads = start_callers(client, ledger, seed, began + seconds)
    threads.append(Thread(target=faults.run, daemon=True))
    threads[-1].start()
    findings = watch(client, ledger, began, began + seconds)
    faults.stop()
    deadline = monotonic() + ENDS_WITHIN
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    stuck = [thread.name for thread in threads if thread.is_alive()]
    findings.append(absent("callers that never came back", stuck))
    if stuck:
        faulthandler.dump_traceback(file=2)
        return findings
    return findings + judge(client, server, ledger, CAP)


def prepare(client: Client) -> None:
    """Put the documents that are read on every member, and one for every slot."""
    db = client.get_database(DATABASE, write_concern=WriteConcern(3))
    db.things.insert_many([{"_id": number} for number in range(THINGS)])
    db.slots.insert_many([{"_id": slot, "tokens": []} for slot in slots()])


def slots() -> list[str]:
    """Return the names of all slots."""
    kinds = {"greenlet": GREENLETS, "thread": THREADS, "trio": TRIO_TASKS}
    kinds |= {"asyncio-one": ASYNCIO_TASKS, "asyncio-two": ASYNCIO_TASKS}
    return [f"{kind}-{number}" for kind, count in kinds.items() for number in range(count)]


def start_callers(client: Client, ledger: Ledger, seed: int, until: float) -> list[Thread]:
    """Start all callers, each kind in a thread of its own, and return the threads."""
    bridge: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient.from_client(client)

    def randoms(kind: str) -> dict[str, Random]:
        names = [slot for slot in slots() if slot.startswith(kind)]
        return {name: Random(f"{seed} {name}") for name in names}

    def of_greenlets() -> None:
        callers = [
            Caller(client, ledger, random, slot, can_leave=True)
            for slot, random in randoms("greenlet").items()
        ]
        run_greenlets(callers, Random(f"{seed} killer"), until)

    def of_threads() -> None:
        callers = [
            Caller(client, ledger, random, slot, can_leave=False)
            for slot, random in randoms("thread").items()
        ]
        run_threads(callers, until)

    def of_tasks(kind: str) -> None:
        callers = [
            TaskCaller(bridge, ledger, random, slot) for slot, random in randoms(kind).items()
        ]
        canceller = Random(f"{seed} canceller of {kind}")
        anyio.run(run_tasks, callers, canceller, until, backend=kind.partition("-")[0])

    kinds = [partial(of_tasks, kind) for kind in ("asyncio-one", "asyncio-two", "trio")]
    return [start(of_greenlets), start(of_threads), *map(start, kinds)]


def start(fn: Callable[[], None]) -> Thread:
    """Call `fn` in a new thread."""
    thread = Thread(target=fn, name=repr(fn), daemon=True)
    thread.start()
    return thread


def watch(client: Client, ledger: Ledger, began: float, until: float) -> list[Finding]:
    """Look at the client while it is used, and say now and then how it goes."""
    most = 0
    next_report = began
    while (now := monotonic()) < until:
        statistics = statistics_of(client)
        most = max(most, *(pool.open for pool in statistics.pools))
        if now >= next_report:
            operations = len(ledger.acknowledged)
            pools = " ".join(f"{p.open}/{p.waiting}" for p in statistics.pools)
            print(
                f"{now - began:5.0f} s: {operations} writes, {statistics.requests} requests, "
                f"{statistics.abandoned} late replies, open/waiting {pools}",
                flush=True,
            )
            next_report += 10
        time.sleep(LOOK_EVERY)
    return [Finding("connections of one pool at once", 0 < most <= CAP, str(most))]


if __name__ == "__main__":
    sys.exit(main())
