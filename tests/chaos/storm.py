"""What a storm is: callers that share one client, and what must be true of what they did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from greenmongo.embedded import MongoServer
    from tests.chaos.drivers import Driver
    from tests.chaos.faults import Plan
    from tests.chaos.ledger import Ledger
    from tests.chaos.verdict import Finding

__all__ = ["Storm", "start"]


class Storm(ABC):
    """Callers of all kinds, their work, and its verdict."""

    options: ClassVar[dict[str, Any]]
    """Of the client."""
    callers: ClassVar[dict[str, int]]
    """How many of each kind."""

    def __init__(self, driver: Driver, ledger: Ledger, seed: int) -> None:
        self.driver = driver
        self.ledger = ledger
        self.seed = seed

    @abstractmethod
    def faults(self, seconds: float) -> Plan:
        """Return what is done to the deployment."""

    @abstractmethod
    def prepare(self) -> None:
        """Put into the deployment what callers expect there."""

    @abstractmethod
    def start_callers(self, until: float) -> list[Thread]:
        """Start all callers, and return their threads, which end soon after `until`."""

    @abstractmethod
    def progress(self) -> str:
        """Say in a few words how it goes."""

    @abstractmethod
    def finish(self) -> None:
        """Do what callers wait for before they end; the time is over, the deployment whole."""

    @abstractmethod
    def judge(self, server: MongoServer) -> list[Finding]:
        """Compare what callers were told with what the deployment has."""


def start(fn: Callable[[], None]) -> Thread:
    """Call `fn` in a new thread."""
    thread = Thread(target=fn, name=repr(fn), daemon=True)
    thread.start()
    return thread
