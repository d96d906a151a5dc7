"""The storm that change streams see through."""

from __future__ import annotations

from functools import partial
from random import Random
from threading import Thread
from time import monotonic
from typing import Any, ClassVar

import anyio
import gevent
import pymongo
from bson.timestamp import Timestamp
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.write_concern import WriteConcern

from greenmongo.embedded import MongoServer
from tests.chaos.callers import run_greenlets, run_threads
from tests.chaos.drivers import Driver
from tests.chaos.faults import CRASH, FREEZE, STEPDOWN, Plan, in_turn
from tests.chaos.ledger import Ledger
from tests.chaos.storm import Storm, start
from tests.chaos.stream.record import DATABASE, END, THINGS, Record
from tests.chaos.stream.verdict import judge_streams
from tests.chaos.stream.watchers import WATCHERS, Eyes, TaskWatcher, Watcher, WatchPlan
from tests.chaos.stream.writers import Author, TaskWriter, Writer
from tests.chaos.tasks import run_tasks
from tests.chaos.verdict import Finding, judge_closings, judge_cursors

__all__ = ["Streams"]

FAULT_EVERY = 15.0
LEAVE_EVERY = 0.1
"""Seconds from one caller who leaves to the next of his kind."""
ENDS_WITHIN = 30.0


class Streams(Storm):
    """Writers of documents, and watchers that see each version of each of them."""

    options: ClassVar[dict[str, Any]] = {
        "maxPoolSize": 40,
        "heartbeatFrequencyMS": 1000,
        "connectTimeoutMS": 4000,
    }

    callers: ClassVar[dict[str, int]] = {"greenlet": 30, "thread": 20, "asyncio": 30, "trio": 20}

    def __init__(self, driver: Driver, ledger: Ledger, seed: int) -> None:
        super().__init__(driver, ledger, seed)
        self.record = Record()
        self._since = Timestamp(0, 0)

    @property
    def plans(self) -> list[WatchPlan]:
        """The watchers that the driver has the means for."""
        return [plan for plan in WATCHERS if plan.kind in self.driver.kinds]

    def faults(self, seconds: float) -> Plan:
        """Step the primary down, freeze it, crash it, and again."""
        return in_turn([STEPDOWN, FREEZE, CRASH], FAULT_EVERY, seconds)

    def prepare(self) -> None:
        """See from when on there is something to see."""
        with pymongo.MongoClient[Any](self.driver.uri) as client:
            db = client.get_database(DATABASE, write_concern=WriteConcern(3))
            db.create_collection(THINGS)
            self._since = db.command("ping")["operationTime"]

    def start_callers(self, until: float) -> list[Thread]:
        """Start watchers, each in a thread of its own, and each kind of writers in one."""
        watchers = [start(partial(self._watch, plan)) for plan in self.plans]
        kinds = {
            "greenlet": partial(self._greenlets, until),
            "thread": partial(self._threads, until),
            "asyncio": partial(self._tasks, "asyncio", until),
            "trio": partial(self._tasks, "trio", until),
        }
        writers = [start(run) for kind, run in kinds.items() if kind in self.driver.kinds]
        self._ending = writers
        return watchers + writers

    def progress(self) -> str:
        """Count versions, written and seen."""
        seen = [len(self.record.seen[plan.name]) for plan in self.plans]
        return f"{len(self.record.acknowledged)} versions, seen {min(seen)} to {max(seen)}"

    def finish(self) -> None:
        """Write the end, once nobody writes any more."""
        for thread in self._ending:
            thread.join(ENDS_WITHIN)
        with pymongo.MongoClient[Any](self.driver.uri) as client:
            things = client[DATABASE].get_collection(THINGS, write_concern=WriteConcern("majority"))
            deadline = monotonic() + ENDS_WITHIN
            while monotonic() < deadline:
                try:
                    things.insert_one({"_id": END, "n": 0})
                except DuplicateKeyError:
                    return
                except PyMongoError:
                    continue

    def judge(self, server: MongoServer) -> list[Finding]:
        """See that everything acknowledged was seen once, and in order."""
        return [
            judge_cursors(server.members, self.ledger.faults),
            judge_closings(self.driver.closings, self.ledger.faults),
            *judge_streams(self.record, [plan.name for plan in self.plans]),
        ]

    def _watch(self, plan: WatchPlan) -> None:
        eyes = Eyes(plan, self.record, self.ledger, self.seed, self._since)
        if plan.kind in ("asyncio", "trio"):

            async def run() -> None:
                async with self.driver.face() as client:
                    await TaskWatcher(client, eyes).watch()

            anyio.run(run, backend=plan.kind)
        elif plan.kind == "greenlet":
            gevent.spawn(Watcher(self.driver.client, eyes).watch).get()
            gevent.get_hub().destroy(destroy_loop=True)
        else:
            Watcher(self.driver.client, eyes).watch()
            gevent.get_hub().destroy(destroy_loop=True)

    def _authors(self, kind: str, client: Any) -> list[Author]:
        slots = [f"{kind}-{number}" for number in range(self.callers[kind])]
        return [
            Author(client, self.record, self.ledger, Random(f"{self.seed} {slot}"), slot)
            for slot in slots
        ]

    def _greenlets(self, until: float) -> None:
        writers = [Writer(author) for author in self._authors("greenlet", self.driver.client)]
        run_greenlets(writers, Random(f"{self.seed} killer"), until, LEAVE_EVERY)

    def _threads(self, until: float) -> None:
        writers = [Writer(author) for author in self._authors("thread", self.driver.client)]
        run_threads(writers, until)

    def _tasks(self, kind: str, until: float) -> None:
        canceller = Random(f"{self.seed} canceller of {kind}") if self.driver.can_cancel else None

        async def run() -> None:
            async with self.driver.face() as client:
                writers = [TaskWriter(author) for author in self._authors(kind, client)]
                await run_tasks(writers, canceller, until, LEAVE_EVERY)

        anyio.run(run, backend=kind)
