"""The storm of transfers in transactions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from threading import Thread
from time import sleep
from typing import Any, ClassVar

import anyio
import pymongo
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from greenmongo.embedded import Member, MongoServer
from tests.chaos.bank.book import Book, Outcome
from tests.chaos.bank.callers import BankCaller
from tests.chaos.bank.clerk import Clerk
from tests.chaos.bank.orders import ACCOUNTS, DATABASE, OPENING
from tests.chaos.bank.tasks import BankTaskCaller
from tests.chaos.bank.verdict import judge_bank
from tests.chaos.callers import run_greenlets, run_threads
from tests.chaos.drivers import Driver
from tests.chaos.faults import CRASH, FREEZE, STEPDOWN, Plan, in_turn
from tests.chaos.ledger import SNAPSHOT_UNAVAILABLE, Ledger
from tests.chaos.storm import Storm, start
from tests.chaos.tasks import run_tasks
from tests.chaos.verdict import Finding, judge_closings, judge_cursors, judge_members

__all__ = ["Bank"]

FAULT_EVERY = 15.0
LEAVE_EVERY = 0.1
"""Seconds from one caller who leaves to the next of his kind."""


class Bank(Storm):
    """Callers that move money between accounts, and count it."""

    # Frozen members are noticed before they thaw.
    options: ClassVar[dict[str, Any]] = {
        "maxPoolSize": 20,
        "heartbeatFrequencyMS": 1000,
        "connectTimeoutMS": 4000,
    }

    callers: ClassVar[dict[str, int]] = {"greenlet": 30, "thread": 20, "asyncio": 30, "trio": 20}

    def __init__(self, driver: Driver, ledger: Ledger, seed: int) -> None:
        super().__init__(driver, ledger, seed)
        self.book = Book()

    def faults(self, seconds: float) -> Plan:
        """Step the primary down, freeze it, crash it, and again."""
        return in_turn([STEPDOWN, FREEZE, CRASH], FAULT_EVERY, seconds)

    def prepare(self) -> None:
        """Open the accounts."""
        with pymongo.MongoClient[Any](self.driver.uri) as client:
            db = client.get_database(DATABASE, write_concern=WriteConcern(3))
            db.accounts.insert_many([{"_id": n, "balance": OPENING} for n in range(ACCOUNTS)])
            # Not unique: a transfer that is done twice is to be seen.
            db.transfers.create_index("token")
            for address in filter(None, [client.primary, *client.secondaries]):
                wait_for_snapshots(*address)

    def start_callers(self, until: float) -> list[Thread]:
        """Start each kind in a thread of its own."""
        kinds: dict[str, Callable[[], None]] = {
            "greenlet": partial(self._greenlets, until),
            "thread": partial(self._threads, until),
            "asyncio": partial(self._tasks, "asyncio", until),
            "trio": partial(self._tasks, "trio", until),
        }
        return [start(run) for kind, run in kinds.items() if kind in self.driver.kinds]

    def progress(self) -> str:
        """Count transfers and audits."""
        done = len(self.book.tokens(Outcome.DONE))
        unknown = len(self.book.tokens(Outcome.UNKNOWN))
        return f"{done} transfers, {unknown} unknown, {len(self.book.audits)} audits"

    def finish(self) -> None:
        """Nobody waits for anything."""

    def judge(self, server: MongoServer) -> list[Finding]:
        """See that no transaction is open, and that the money is where it should be."""
        finding = judge_members("open transactions", server.members, open_on)
        for outcome in Outcome:
            for _ in self.book.tokens(outcome):
                self.ledger.count(f"outcome: {outcome.value}")
        with pymongo.MongoClient[dict[str, Any]](
            self.driver.uri, readConcernLevel="majority"
        ) as client:
            db = client[DATABASE]
            balances = {each["_id"]: each["balance"] for each in db.accounts.find()}
            transfers = list(db.transfers.find())
        return [
            finding,
            judge_cursors(server.members, self.ledger.faults),
            judge_closings(self.driver.closings, self.ledger.faults),
            *judge_bank(self.book, balances, list(transfers), OPENING),
        ]

    def _callers_of(self, kind: str) -> list[tuple[Clerk, Random]]:
        slots = [f"{kind}-{number}" for number in range(self.callers[kind])]
        return [
            (
                Clerk(self.book, self.ledger, slot, has_requests=self.driver.has_requests),
                Random(f"{self.seed} {slot}"),
            )
            for slot in slots
        ]

    def _greenlets(self, until: float) -> None:
        callers = [
            BankCaller(self.driver.client, clerk, random, can_leave=True)
            for clerk, random in self._callers_of("greenlet")
        ]
        run_greenlets(callers, Random(f"{self.seed} killer"), until, LEAVE_EVERY)

    def _threads(self, until: float) -> None:
        callers = [
            BankCaller(self.driver.client, clerk, random, can_leave=False)
            for clerk, random in self._callers_of("thread")
        ]
        run_threads(callers, until)

    def _tasks(self, kind: str, until: float) -> None:
        canceller = Random(f"{self.seed} canceller of {kind}") if self.driver.can_cancel else None

        async def run() -> None:
            async with self.driver.face() as client:
                callers = [
                    BankTaskCaller(client, clerk, random, can_leave=self.driver.can_cancel)
                    for clerk, random in self._callers_of(kind)
                ]
                await run_tasks(callers, canceller, until, LEAVE_EVERY)

        anyio.run(run, backend=kind)


def wait_for_snapshots(host: str, port: int | None) -> None:
    """Wait until a member can be read as of a moment after the index was made."""
    with pymongo.MongoClient[Any](host, port, directConnection=True) as client:
        for name in ("accounts", "transfers"):
            while True:
                try:
                    with client.start_session(snapshot=True) as session:
                        client[DATABASE][name].find_one({}, session=session)
                except OperationFailure as error:
                    if error.code != SNAPSHOT_UNAVAILABLE:
                        raise
                    sleep(0.05)
                else:
                    break


def open_on(member: Member) -> list[str]:
    """Return how many transactions a member has open, if any."""
    count = member.run({"serverStatus": 1})["transactions"]["currentOpen"]
    return [f"{member}: {count}"] if count else []
