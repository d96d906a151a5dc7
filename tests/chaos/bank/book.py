"""What became of each transfer, as far as its caller knows, and what the audits saw.

It is filled from any thread, and judged when all is over; see `tests.chaos.bank.verdict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

if TYPE_CHECKING:
    from tests.chaos.bank.orders import Order

__all__ = ["Audit", "Book", "Outcome"]

UNKNOWN_RESULT = "UnknownTransactionCommitResult"


class Outcome(Enum):
    """What a caller knows of its transfer."""

    INSIDE = "inside of the transaction"
    ENDING = "the transaction is being committed"
    DONE = "acknowledged"
    NOT_DONE = "not done"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Audit:
    """All accounts at one moment: their balances, their sum, and what transfers moved until then.

    Attributes:
        moved: what each account got, less what it gave; None if nobody asked.
    """

    how: str
    balances: Mapping[int, int]
    total: int
    moved: Mapping[int, int] | None = None


class Book:
    """All transfers, by their tokens."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.audits: list[Audit] = []
        self._lock = Lock()

    def begins(self, order: Order) -> None:
        """Note that the transaction begins, be it once more."""
        self._set(order, Outcome.INSIDE)

    def ends(self, order: Order) -> None:
        """Note that all is done but the commit."""
        self._set(order, Outcome.ENDING)

    def done(self, order: Order) -> None:
        """Note that the commit was acknowledged."""
        self._set(order, Outcome.DONE)

    def not_done(self, order: Order) -> None:
        """Note that the transaction was aborted, as the caller wanted."""
        self._set(order, Outcome.NOT_DONE)

    def failed(self, order: Order, error: PyMongoError) -> None:
        """Note what an error says: the commit may be done, or the transfer is not."""
        is_unknown = error.has_error_label(UNKNOWN_RESULT)
        self._set(order, Outcome.UNKNOWN if is_unknown else Outcome.NOT_DONE)

    def left(self, order: Order) -> None:
        """Note that the caller has left: what was not being committed never is."""
        is_ending = self.outcomes[order.token] is Outcome.ENDING
        self._set(order, Outcome.UNKNOWN if is_ending else Outcome.NOT_DONE)

    def audited(self, audit: Audit) -> None:
        """Note what an audit has read."""
        with self._lock:
            self.audits.append(audit)

    def tokens(self, outcome: Outcome) -> set[str]:
        """Return the transfers of which the callers know this."""
        with self._lock:
            return {token for token, known in self.outcomes.items() if known is outcome}

    def _set(self, order: Order, outcome: Outcome) -> None:
        with self._lock:
            self.orders[order.token] = order
            self.outcomes[order.token] = outcome
