"""Watchers: each reads one change stream until it has seen the end.

Steady ones leave it to the driver to resume. Restless ones leave while they wait, and begin another
stream where the last one has told them to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any

import anyio
import gevent
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError
from pymongo.read_preferences import SecondaryPreferred

from tests.chaos.ledger import Ledger
from tests.chaos.stream.record import DATABASE, END, THINGS, Record, version_of

__all__ = ["WATCHERS", "Eyes", "TaskWatcher", "WatchPlan", "Watcher"]

PIPELINE = [{"$match": {"operationType": {"$in": ["insert", "update"]}}}]
REOPEN_AFTER = 0.2
"""Seconds to wait when a stream has failed."""


@dataclass(frozen=True)
class WatchPlan:
    """How a watcher watches."""

    kind: str
    """greenlet, thread, asyncio or trio."""
    target: Callable[[Any], Any]
    """Given a client, what is watched."""
    what: str
    is_polling: bool = False
    """Whether it asks by try_next."""
    is_restless: bool = False
    batch_size: int | None = None

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ways = ["restless"] * self.is_restless + ["polling"] * self.is_polling
        return " ".join([*ways, self.kind, "of", self.what])


def things(client: Any) -> Any:
    """Watch the collection."""
    return client.get_database(DATABASE).get_collection(THINGS)


def near_things(client: Any) -> Any:
    """Watch the collection, on a secondary."""
    return things(client).with_options(read_preference=SecondaryPreferred())


def database(client: Any) -> Any:
    """Watch the database."""
    return client.get_database(DATABASE)


def everything(client: Any) -> Any:
    """Watch the deployment."""
    return client


WATCHERS = (
    WatchPlan("thread", things, "collection"),
    WatchPlan("thread", near_things, "collection, secondary", is_polling=True),
    WatchPlan("greenlet", database, "database", batch_size=2),
    WatchPlan("greenlet", things, "collection", is_restless=True),
    WatchPlan("asyncio", everything, "client"),
    WatchPlan("asyncio", things, "collection", is_restless=True),
    WatchPlan("asyncio", near_things, "collection, secondary", is_polling=True, batch_size=7),
    WatchPlan("trio", things, "collection"),
    WatchPlan("trio", database, "database", is_restless=True),
)


class Eyes:
    """What watchers of all kinds do with what they see."""

    def __init__(
        self, plan: WatchPlan, record: Record, ledger: Ledger, seed: int, since: Timestamp
    ) -> None:
        self.plan = plan
        self.random = Random(f"{seed} {plan.name}")
        self._ledger = ledger
        self._seen = record.seen[plan.name]
        self._token: Any = None
        self._since = since

    def watch(self, client: Any) -> Any:
        """Return a stream, or in a moment one, of what this one has not seen."""
        begin = {"resume_after": self._token}
        if self._token is None:
            begin = {"start_at_operation_time": self._since}
        return self.plan.target(client).watch(
            PIPELINE, batch_size=self.plan.batch_size, max_await_time_ms=500, **begin
        )

    def see(self, stream: Any, change: Any) -> bool:
        """Take a change, or None; tell whether it was the last."""
        if change is None:
            self._token = stream.resume_token or self._token
            return False
        version = version_of(change)
        self._token = stream.resume_token
        if version is not None and version[0] == END:
            return True
        if version is not None:
            self._seen.append(version)
        return False

    def patience(self) -> float | None:
        """Return how many seconds to wait for the next change."""
        return self.random.uniform(0.001, 0.3) if self.plan.is_restless else None

    def left(self) -> None:
        """Note that it did not wait."""
        self._ledger.count("waits for a change given up")

    def failed(self, error: PyMongoError, began: float) -> None:
        """Note that the driver could not resume."""
        self._ledger.failed(f"watching, {self.plan.name}", error, began)


class Watcher:
    """Watches by a blocking client."""

    def __init__(self, client: Any, eyes: Eyes) -> None:
        self._client = client
        self._eyes = eyes

    def watch(self) -> None:
        """See everything."""
        while True:
            began = monotonic()
            try:
                with self._eyes.watch(self._client) as stream:
                    while stream.alive:
                        began = monotonic()
                        if self._look(stream):
                            return
            except gevent.Timeout:
                self._eyes.left()
            except PyMongoError as error:
                self._eyes.failed(error, began)
                gevent.sleep(REOPEN_AFTER)

    def _look(self, stream: Any) -> bool:
        patience = self._eyes.patience()
        if patience is not None:
            with gevent.Timeout(patience):
                change = stream.next()
        else:
            change = stream.try_next() if self._eyes.plan.is_polling else stream.next()
        return self._eyes.see(stream, change)


class TaskWatcher:
    """Watches by an async client."""

    def __init__(self, client: Any, eyes: Eyes) -> None:
        self._client = client
        self._eyes = eyes

    async def watch(self) -> None:
        """See everything."""
        while True:
            began = monotonic()
            try:
                async with await self._eyes.watch(self._client) as stream:
                    while stream.alive:
                        began = monotonic()
                        if await self._look(stream):
                            return
            except PyMongoError as error:
                self._eyes.failed(error, began)
                await anyio.sleep(REOPEN_AFTER)

    async def _look(self, stream: Any) -> bool:
        polls = self._eyes.plan.is_polling
        with anyio.move_on_after(self._eyes.patience()):
            change = await (stream.try_next() if polls else stream.next())
            return self._eyes.see(stream, change)
        self._eyes.left()
        return False
