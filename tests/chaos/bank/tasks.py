"""Callers of the bank that await: tasks of asyncio and trio, cancelled at random."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random
from time import monotonic
from typing import Any

import anyio
from pymongo.errors import PyMongoError

from tests.chaos.bank.book import Audit
from tests.chaos.bank.clerk import COMMITS, Clerk, is_transient, is_unknown
from tests.chaos.bank.orders import (
    CONCERNS,
    GAVE_UP,
    Ask,
    Asks,
    Life,
    Order,
    audit_in,
    move,
    of_transfer,
)

__all__ = ["BankTaskCaller"]


class BankTaskCaller:
    """One life after another in one slot, by an async client."""

    def __init__(self, client: Any, clerk: Clerk, random: Random, *, can_leave: bool) -> None:
        self._client = client
        self._clerk = clerk
        self._random = random
        self._can_leave = can_leave
        self._db = clerk.database(client)

    async def live(self) -> None:
        """Live once."""
        life = self._clerk.next_life(self._random)
        try:
            async with self._client.start_request() if life.in_request else nullcontext():
                await self._live(life)
        except anyio.get_cancelled_exc_class():
            self._clerk.count("cancelled")
            raise
        except PyMongoError as error:
            self._clerk.wrong(f"outside of any operation: {error!r}")

    async def _live(self, life: Life) -> None:
        async with self._client.start_session() as session:
            for order in life.orders:
                if order.amount:
                    await self._transfer(session, order)
                else:
                    await self._audit(session, order)

    async def _transfer(self, session: Any, order: Order) -> None:
        style = {"with_transaction": self._by_callback, "block": self._by_block}
        with self._clerk.keeps(order, monotonic()) as outcome:
            with self._patience(order.patience) as scope:
                await style.get(order.style, self._by_hand)(session, order)
                outcome.is_done = True
            if scope.cancelled_caught:
                self._clerk.count("gave up waiting")
        if outcome.is_done and order.is_thorough:
            with self._clerk.notes("read of a transfer", monotonic()):
                found = await self._perform(of_transfer(self._db, session, order))
                self._clerk.found(order, found)

    async def _by_callback(self, session: Any, order: Order) -> None:
        await session.with_transaction(lambda session: self._move(session, order), *CONCERNS)

    async def _by_block(self, session: Any, order: Order) -> None:
        while True:
            try:
                async with await session.start_transaction(*CONCERNS):
                    await self._move(session, order)
                return
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                self._clerk.count("transactions begun again by hand")

    async def _by_hand(self, session: Any, order: Order) -> None:
        while True:
            await session.start_transaction(*CONCERNS)
            try:
                await self._move(session, order)
                await self._commit(session)
                return
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                self._clerk.count("transactions begun again by hand")
            finally:
                if session.in_transaction:
                    with anyio.CancelScope(shield=True):
                        await session.abort_transaction()

    async def _commit(self, session: Any) -> None:
        for attempts_left in reversed(range(COMMITS)):
            try:
                await session.commit_transaction()
                return
            except PyMongoError as error:
                if not is_unknown(error) or not attempts_left:
                    raise
                self._clerk.count("commits again by hand")

    async def _move(self, session: Any, order: Order) -> None:
        self._clerk.book.begins(order)
        await self._perform(move(self._db, session, order))
        self._clerk.book.ends(order)

    async def _audit(self, session: Any, order: Order) -> None:
        with self._clerk.notes(f"audit, {order.style}", monotonic()):
            with self._patience(order.patience):
                read = await self._audit_as(session, order)
                self._clerk.audited(Audit(order.style, *read))
                return
            self._clerk.count("gave up waiting")

    async def _audit_as(self, session: Any, order: Order) -> Any:
        if order.style == "transaction":
            return await session.with_transaction(
                lambda session: self._perform(audit_in(self._db, session, order)), *CONCERNS
            )
        async with self._client.start_session(snapshot=True) as snapshot:
            return await self._perform(audit_in(self._db, snapshot, order))

    def _patience(self, seconds: float | None) -> anyio.CancelScope:
        return anyio.move_on_after(seconds if self._can_leave else None)

    async def _perform(self, asks: Asks) -> Any:
        try:
            ask = next(asks)
            while True:
                ask = asks.send(await self._answer(ask))
        except StopIteration as end:
            return end.value

    async def _answer(self, ask: Ask) -> Any:
        with self._patience(ask.patience):
            return await ask.call()
        self._clerk.count("gave up a read")
        return GAVE_UP
