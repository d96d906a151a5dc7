"""The storm of single operations, in requests and outside, each of which tells its answer."""

from __future__ import annotations

from functools import partial
from random import Random
from threading import Thread
from typing import Any, ClassVar

import anyio
from pymongo.write_concern import WriteConcern

from bridge import AsyncMongoClient
from greenmongo.embedded import MongoServer
from tests.chaos.callers import Caller, run_greenlets, run_threads
from tests.chaos.faults import CRASH, STEPDOWN, Plan, in_turn
from tests.chaos.steps import DATABASE, THINGS
from tests.chaos.storm import Storm, start
from tests.chaos.tasks import TaskCaller, run_tasks
from tests.chaos.verdict import Finding, judge_data

__all__ = ["Calls"]

FAULT_EVERY = 20.0


class Calls(Storm):
    """Callers that write and read tokens."""

    options: ClassVar[dict[str, Any]] = {"maxPoolSize": 20}
    callers: ClassVar[dict[str, int]] = {
        "greenlet": 200,
        "thread": 20,
        "asyncio-one": 100,
        "asyncio-two": 100,
        "trio": 50,
    }

    def faults(self, seconds: float) -> Plan:
        """Step the primary down now and again, and crash it once half-way."""
        plan = list(in_turn([STEPDOWN], FAULT_EVERY, seconds))
        half_way = next((n for n, (at, _) in enumerate(plan) if at >= seconds / 2 - 10), None)
        if half_way is not None:
            plan[half_way] = (plan[half_way][0], CRASH)
        return plan

    def prepare(self) -> None:
        """Put the documents that are read on every member, and one for every slot."""
        db = self.driver.client.get_database(DATABASE, write_concern=WriteConcern(3))
        db.things.insert_many([{"_id": number} for number in range(THINGS)])
        db.slots.insert_many([{"_id": slot, "tokens": []} for slot in slots()])

    def start_callers(self, until: float) -> list[Thread]:
        """Start each kind in a thread of its own."""
        kinds = [partial(self._tasks, kind, until) for kind in ("asyncio-one", "asyncio-two")]
        kinds.append(partial(self._tasks, "trio", until))
        blocking = [partial(self._greenlets, until), partial(self._threads, until)]
        return [start(kind) for kind in (*blocking, *kinds)]

    def progress(self) -> str:
        """Count writes."""
        return f"{len(self.ledger.acknowledged)} writes"

    def finish(self) -> None:
        """Nobody waits for anything."""

    def judge(self, server: MongoServer) -> list[Finding]:
        """See that what was acknowledged is there once."""
        return judge_data(server, self.ledger)

    def _randoms(self, kind: str) -> dict[str, Random]:
        names = [slot for slot in slots() if slot.startswith(kind)]
        return {name: Random(f"{self.seed} {name}") for name in names}

    def _greenlets(self, until: float) -> None:
        callers = [
            Caller(self.driver.client, self.ledger, random, slot, can_leave=True)
            for slot, random in self._randoms("greenlet").items()
        ]
        run_greenlets(callers, Random(f"{self.seed} killer"), until)

    def _threads(self, until: float) -> None:
        callers = [
            Caller(self.driver.client, self.ledger, random, slot, can_leave=False)
            for slot, random in self._randoms("thread").items()
        ]
        run_threads(callers, until)

    def _tasks(self, kind: str, until: float) -> None:
        bridge = AsyncMongoClient.from_client(self.driver.client)
        callers = [
            TaskCaller(bridge, self.ledger, random, slot)
            for slot, random in self._randoms(kind).items()
        ]
        canceller = Random(f"{self.seed} canceller of {kind}")
        anyio.run(run_tasks, callers, canceller, until, backend=kind.partition("-")[0])


def slots() -> list[str]:
    """Return the names of all slots."""
    counts = Calls.callers.items()
    return [f"{kind}-{number}" for kind, count in counts for number in range(count)]
