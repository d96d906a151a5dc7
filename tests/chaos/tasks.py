"""Callers that await: tasks of asyncio and trio, cancelled at random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from time import monotonic
from typing import Any, Protocol

import anyio
from bson.errors import BSONError
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from bridge import AsyncMongoClient
from tests.chaos.ledger import Deliberate, Ledger
from tests.chaos.session import Plan, Turn
from tests.chaos.steps import DATABASE, Step, Steps

__all__ = ["TaskCaller", "run_tasks"]

CANCEL_EVERY = 0.05

Client = AsyncMongoClient[dict[str, Any]]


class TaskCaller:
    """One life after another in one slot."""

    def __init__(self, client: Client, ledger: Ledger, random: Random, slot: str) -> None:
        self._client = client
        self._db = client.get_database(DATABASE, write_concern=WriteConcern("majority"))
        self._ledger = ledger
        self._random = random
        self._steps = Steps(random, slot)
        self._slot = slot

    async def live(self) -> None:
        """Live once; what it ends with, if not as planned, is wrong."""
        plan = Plan.draw(self._random)
        self._ledger.count(f"requests {plan.request}")
        try:
            await self._act(plan)
            if plan.raises:
                raise Deliberate(self._slot)
        except Deliberate:
            # Not out of the task, or the others of its group would be cancelled.
            return
        except (PyMongoError, BSONError) as error:
            self._ledger.wrong(f"{self._slot}, outside of any operation: {error!r}")
        except anyio.get_cancelled_exc_class():
            self._ledger.count("cancelled")
            raise

    async def _act(self, plan: Plan) -> None:
        if plan.request == "strict":
            await self._act_strictly(plan.turns)
            return
        if plan.request == "leaked":
            await self._client.start_request()
        if plan.request == "ended":
            async with self._client.start_request():
                await self._take(plan.turns)
        else:
            await self._take(plan.turns)

    async def _take(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            await self._perform(self._steps.next(), turn.patience)

    async def _act_strictly(self, turns: Iterable[Turn]) -> None:
        async with self._client.start_request(strict=True) as request:
            for _ in turns:
                write, read = self._steps.silent_insert()
                began = monotonic()
                written, _ = await self._perform(write)
                before = request.connection_id
                answered, found = await self._perform(read)
                is_same = before is not None and before == request.connection_id
                if written and answered and is_same and found is None and monotonic() < began + 1:
                    self._ledger.wrong(f"{read.token} was not seen on its own connection")

    async def _perform(self, step: Step, patience: float | None = None) -> tuple[bool, Any]:
        began = monotonic()
        self._ledger.attempt(step)
        value = None
        try:
            with anyio.move_on_after(patience) as scope:
                value = await step.call(self._db)
        except (PyMongoError, BSONError) as error:
            self._ledger.failed(step.name, error, began)
            return False, None
        if scope.cancelled_caught:
            self._ledger.count("gave up waiting")
            return False, None
        self._ledger.answered(step, value)
        return True, value


class LivingTask(Protocol):
    """Somebody with one life after another."""

    async def live(self) -> None:
        """Live once."""


async def run_tasks(
    callers: Sequence[LivingTask],
    random: Random | None,
    until: float,
    cancel_every: float = CANCEL_EVERY,
) -> None:
    """Have each caller live again and again in new tasks, of which some are cancelled."""
    living: dict[LivingTask, anyio.CancelScope] = {}

    async def keep_alive(caller: LivingTask) -> None:
        while monotonic() < until:
            async with anyio.create_task_group() as one:
                living[caller] = one.cancel_scope
                one.start_soon(caller.live)

    async with anyio.create_task_group() as slots:
        for caller in callers:
            slots.start_soon(keep_alive, caller)
        while random is not None and monotonic() < until:
            await anyio.sleep(cancel_every)
            random.choice(list(living.values())).cancel()
