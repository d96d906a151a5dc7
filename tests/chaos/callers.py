"""Callers that block: greenlets, which are killed at random, and native threads."""

from __future__ import annotations

import _thread
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from random import Random
from threading import Semaphore, Thread
from time import monotonic
from typing import Any, Protocol

import gevent
from bson.errors import BSONError
from gevent import Greenlet, GreenletExit
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from greenmongo import MongoClient
from tests.chaos.ledger import Deliberate, Ledger
from tests.chaos.session import Plan, Turn
from tests.chaos.steps import DATABASE, Step, Steps

__all__ = ["Caller", "run_greenlets", "run_threads"]

KILL_EVERY = 0.03

Client = MongoClient[dict[str, Any]]


class Caller:
    """One life after another in one slot."""

    def __init__(
        self, client: Client, ledger: Ledger, random: Random, slot: str, *, can_leave: bool
    ) -> None:
        self._client = client
        self._db = client.get_database(DATABASE, write_concern=WriteConcern("majority"))
        self._ledger = ledger
        self._random = random
        self._steps = Steps(random, slot)
        self._slot = slot
        self._can_leave = can_leave

    def live(self) -> None:
        """Live once; what it ends with, if not as planned, is wrong."""
        plan = Plan.draw(self._random)
        self._ledger.count(f"requests {plan.request}")
        try:
            self._act(plan)
        except GreenletExit:
            self._ledger.count("killed")
            raise
        except (PyMongoError, BSONError) as error:
            self._ledger.wrong(f"{self._slot}, outside of any operation: {error!r}")
        if plan.raises:
            raise Deliberate(self._slot)

    def _act(self, plan: Plan) -> None:
        if plan.request == "strict":
            self._act_strictly(plan.turns)
            return
        if plan.request == "leaked":
            self._client.start_request()
        if plan.request == "ended":
            with self._client.start_request():
                self._take(plan.turns)
        else:
            self._take(plan.turns)

    def _take(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            self._perform(self._steps.next(), turn.patience)

    def _act_strictly(self, turns: Iterable[Turn]) -> None:
        with self._client.start_request(strict=True) as request:
            for _ in turns:
                write, read = self._steps.silent_insert()
                began = monotonic()
                written, _ = self._perform(write)
                before = request.connection_id
                answered, found = self._perform(read)
                is_same = before is not None and before == request.connection_id
                if written and answered and is_same and found is None and monotonic() < began + 1:
                    self._ledger.wrong(f"{read.token} was not seen on its own connection")

    def _perform(self, step: Step, patience: float | None = None) -> tuple[bool, Any]:
        began = monotonic()
        self._ledger.attempt(step)
        try:
            with gevent.Timeout(patience) if self._can_leave else nullcontext():
                value = step.call(self._db)
        except gevent.Timeout:
            self._ledger.count("gave up waiting")
            return False, None
        except (PyMongoError, BSONError) as error:
            self._ledger.failed(step.name, error, began)
            return False, None
        self._ledger.answered(step, value)
        return True, value


class Living(Protocol):
    """Somebody with one life after another."""

    def live(self) -> None:
        """Live once."""


def run_greenlets(
    callers: Sequence[Living], random: Random, until: float, kill_every: float = KILL_EVERY
) -> None:
    """Have each caller live again and again in new greenlets, of which some are killed."""
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, Deliberate)
    living: dict[Living, Greenlet[[], None]] = {}

    def keep_alive(caller: Living) -> None:
        while monotonic() < until:
            living[caller] = life = gevent.spawn(caller.live)
            life.join()

    slots = [gevent.spawn(keep_alive, caller) for caller in callers]
    while monotonic() < until:
        gevent.sleep(kill_every)
        random.choice(list(living.values())).kill(block=False)
    gevent.joinall(slots, raise_error=True)
    living.clear()
    hub.destroy(destroy_loop=True)


def run_threads(callers: Sequence[Living], until: float) -> None:
    """Have each caller live again and again in new threads, some without the module threading."""
    over = Semaphore(0)

    def live(caller: Living) -> None:
        try:
            caller.live()
        except Deliberate:
            pass
        finally:
            if monotonic() < until:
                start(partial(live, caller))
            else:
                over.release()

    for caller in callers:
        start(partial(live, caller))
    for _ in callers:
        over.acquire()


def start(fn: Callable[[], None]) -> None:
    """Call `fn` in a new thread, every other time one that nobody registers."""
    if next(_numbers) % 2:
        _thread.start_new_thread(fn, ())
    else:
        Thread(target=fn).start()


_numbers = itertools.count()
