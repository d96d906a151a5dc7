"""What callers of all kinds do when they note in the book what they know."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from pymongo.errors import PyMongoError

from tests.chaos.bank.book import Audit, Book
from tests.chaos.bank.orders import DATABASE, Life, Order, Refused
from tests.chaos.ledger import Ledger

__all__ = ["COMMITS", "Clerk", "is_transient", "is_unknown"]

COMMITS = 5
"""How often callers that commit by hand try."""


@dataclass
class Ending:
    """How a transfer ended."""

    is_done: bool = False


class Clerk:
    """Keeps the book for the callers in one slot."""

    def __init__(self, book: Book, ledger: Ledger, slot: str, *, has_requests: bool) -> None:
        self.book = book
        self._ledger = ledger
        self._slot = slot
        self._has_requests = has_requests
        self._numbers = itertools.count()

    def database(self, client: Any) -> Any:
        """Return the bank's database."""
        return client.get_database(DATABASE)

    def next_life(self, random: Random) -> Life:
        """Return some life; without a request for those who cannot have one."""
        life = Life.draw(random, self._slot, next(self._numbers))
        return life if self._has_requests else Life(life.orders, in_request=False)

    def count(self, what: str) -> None:
        """Note that something happened once more."""
        self._ledger.count(what)

    def wrong(self, what: str) -> None:
        """Note what must not be."""
        self._ledger.wrong(f"{self._slot}, {what}")

    @contextmanager
    def keeps(self, order: Order, began: float) -> Iterator[Ending]:
        """Note how a transfer ends; nobody hears of its errors."""
        self.book.begins(order)
        ending = Ending()
        try:
            yield ending
        except Refused as refusal:
            self.book.not_done(order)
            self.count(f"refused: {refusal}")
        except PyMongoError as error:
            self.book.failed(order, error)
            what = "commit" if is_unknown(error) else "transfer"
            self._ledger.failed(f"{what}, {order.style}", error, began)
        except BaseException:
            self.book.left(order)
            raise
        else:
            if ending.is_done:
                self.book.done(order)
                self.count(f"transfers {order.style}")
            else:
                self.book.left(order)

    @contextmanager
    def notes(self, what: str, began: float) -> Iterator[None]:
        """Note how a read ends; nobody hears of its errors."""
        try:
            yield
        except PyMongoError as error:
            self._ledger.failed(what, error, began)
        else:
            self.count(what)

    def audited(self, audit: Audit) -> None:
        """Note what an audit has read."""
        self.book.audited(audit)

    def found(self, order: Order, found: Any) -> None:
        """Note whether a session has seen what it has written."""
        if found is None or found["token"] != order.token:
            self.wrong(f"{order.token} is not seen in its own session: {found}")


def is_transient(error: PyMongoError) -> bool:
    """Tell whether the whole transaction may be tried again."""
    return error.has_error_label("TransientTransactionError")


def is_unknown(error: PyMongoError) -> bool:
    """Tell whether a commit may have happened."""
    return error.has_error_label("UnknownTransactionCommitResult")
