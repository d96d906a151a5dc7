"""What callers asked for and what came of it, from any thread; judged when all is over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from bson.errors import BSONError
from pymongo.errors import AutoReconnect, CursorNotFound, OperationFailure, PyMongoError

if TYPE_CHECKING:
    from tests.chaos.steps import Step

__all__ = ["SNAPSHOT_UNAVAILABLE", "Deliberate", "Ledger"]

GRACE = 5.0
"""Seconds after a fault is over in which callers may still hear of it."""

SHOWN = 20
SNAPSHOT_UNAVAILABLE = 246
"""A member that was just elected, or is back, has nothing to read as of a moment."""
QUERY_PLAN_KILLED = 175
"""A member has rolled back what it had written as a primary; change streams do not go on."""
OF_FAULTS = frozenset({SNAPSHOT_UNAVAILABLE, QUERY_PLAN_KILLED})


class Deliberate(Exception):
    """What a caller ends with that was told to fail."""


@dataclass(frozen=True)
class Failure:
    """One operation that raised."""

    step: str
    error: str
    is_of_faults: bool
    """Whether a deployment that breaks down may cause it."""
    began: float
    ended: float


@dataclass(frozen=True)
class Fault:
    """One thing done to the deployment, until it was whole again."""

    name: str
    began: float
    ended: float

    def explains(self, failure: Failure) -> bool:
        """Tell whether an operation ran while the fault was felt."""
        return failure.began <= self.ended + GRACE and failure.ended >= self.began

    def covers(self, moment: float) -> bool:
        """Tell whether the fault was felt at some time."""
        return self.began <= moment <= self.ended + GRACE


class Ledger:
    """Everything that the verdict needs to know of the callers."""

    def __init__(self) -> None:
        self.attempted: set[tuple[str, str]] = set()
        """Writes sent off, as (collection, token); some of them for callers that left."""
        self.acknowledged: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.faults: list[Fault] = []
        self.wrongs: list[str] = []
        self._lock = Lock()

    def count(self, what: str) -> None:
        """Note that something happened once more."""
        with self._lock:
            self.counts[what] += 1

    def wrong(self, what: str) -> None:
        """Note what must not be."""
        with self._lock:
            self.wrongs.append(what)

    def attempt(self, step: Step) -> None:
        """Note that an operation begins."""
        with self._lock:
            self.attempted |= step.writes

    def answered(self, step: Step, value: Any) -> None:
        """Note the result of an operation, which must be the answer to this very one."""
        with self._lock:
            self.counts[step.name] += 1
            self.acknowledged |= step.writes
        if not step.is_right(value):
            self.wrong(f"{step.name} of {step.token} was answered by {value!r:.300}")

    def failed(self, step: str, error: PyMongoError | BSONError, began: float) -> None:
        """Note an error that an operation raised. Not the error itself: it keeps things alive."""
        failure = Failure(step, f"{error!r:.300}", is_of_faults(error), began, monotonic())
        with self._lock:
            self.counts[f"{type(error).__name__} of {step}"] += 1
            self.failures.append(failure)

    def unexplained(self) -> list[str]:
        """Return the failures that no fault accounts for."""
        return [
            f"{failure.step} raised {failure.error}"
            for failure in self.failures
            if not failure.is_of_faults or not any(fault.explains(failure) for fault in self.faults)
        ]


def is_of_faults(error: BaseException) -> bool:
    """Tell whether a deployment that breaks down may cause an error, and drivers may tell of it."""
    if isinstance(error, OperationFailure):
        return isinstance(error, CursorNotFound) or error.code in OF_FAULTS
    return isinstance(error, AutoReconnect)
