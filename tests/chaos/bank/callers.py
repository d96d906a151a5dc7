"""Callers of the bank that block: greenlets, which are killed at random, and native threads."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random
from time import monotonic
from typing import Any

import gevent
from gevent import GreenletExit
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

__all__ = ["BankCaller"]


class BankCaller:
    """One life after another in one slot, by a blocking client."""

    def __init__(self, client: Any, clerk: Clerk, random: Random, *, can_leave: bool) -> None:
        self._client = client
        self._clerk = clerk
        self._random = random
        self._can_leave = can_leave
        self._db = clerk.database(client)

    def live(self) -> None:
        """Live once."""
        life = self._clerk.next_life(self._random)
        try:
            with self._client.start_request() if life.in_request else nullcontext():
                self._live(life)
        except GreenletExit:
            self._clerk.count("killed")
            raise
        except PyMongoError as error:
            self._clerk.wrong(f"outside of any operation: {error!r}")

    def _live(self, life: Life) -> None:
        with self._client.start_session() as session:
            for order in life.orders:
                if order.amount:
                    self._transfer(session, order)
                else:
                    self._audit(session, order)

    def _transfer(self, session: Any, order: Order) -> None:
        style = {"with_transaction": self._by_callback, "block": self._by_block}
        began = monotonic()
        with self._clerk.keeps(order, began) as outcome:
            try:
                with self._patience(order.patience):
                    style.get(order.style, self._by_hand)(session, order)
                outcome.is_done = True
            except gevent.Timeout:
                self._clerk.count("gave up waiting")
        if outcome.is_done and order.is_thorough:
            began = monotonic()
            with self._clerk.notes("read of a transfer", began):
                found = self._perform(of_transfer(self._db, session, order))
                self._clerk.found(order, found)

    def _by_callback(self, session: Any, order: Order) -> None:
        session.with_transaction(lambda session: self._move(session, order), *CONCERNS)

    def _by_block(self, session: Any, order: Order) -> None:
        while True:
            try:
                with session.start_transaction(*CONCERNS):
                    self._move(session, order)
                return
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                self._clerk.count("transactions begun again by hand")

    def _by_hand(self, session: Any, order: Order) -> None:
        while True:
            session.start_transaction(*CONCERNS)
            try:
                self._move(session, order)
                self._commit(session)
                return
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                self._clerk.count("transactions begun again by hand")
            finally:
                if session.in_transaction:
                    session.abort_transaction()

    def _commit(self, session: Any) -> None:
        for attempts_left in reversed(range(COMMITS)):
            try:
                session.commit_transaction()
                return
            except PyMongoError as error:
                if not is_unknown(error) or not attempts_left:
                    raise
                self._clerk.count("commits again by hand")

    def _move(self, session: Any, order: Order) -> None:
        self._clerk.book.begins(order)
        self._perform(move(self._db, session, order))
        self._clerk.book.ends(order)

    def _audit(self, session: Any, order: Order) -> None:
        with self._clerk.notes(f"audit, {order.style}", monotonic()):
            try:
                with self._patience(order.patience):
                    read = self._audit_as(session, order)
            except gevent.Timeout:
                self._clerk.count("gave up waiting")
                return
            self._clerk.audited(Audit(order.style, *read))

    def _audit_as(self, session: Any, order: Order) -> Any:
        if order.style == "transaction":
            return session.with_transaction(
                lambda session: self._perform(audit_in(self._db, session, order)), *CONCERNS
            )
        with self._client.start_session(snapshot=True) as snapshot:
            return self._perform(audit_in(self._db, snapshot, order))

    def _patience(self, seconds: float | None) -> Any:
        return gevent.Timeout(seconds) if self._can_leave and seconds else nullcontext()

    def _perform(self, asks: Asks) -> Any:
        try:
            ask = next(asks)
            while True:
                ask = asks.send(self._answer(ask))
        except StopIteration as end:
            return end.value

    def _answer(self, ask: Ask) -> Any:
        if ask.patience is None or not self._can_leave:
            return ask.call()
        found = gevent.with_timeout(ask.patience, ask.call, timeout_value=GAVE_UP)
        if found is GAVE_UP:
            self._clerk.count("gave up a read")
        return found
