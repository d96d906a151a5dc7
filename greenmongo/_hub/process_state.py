"""What a process knows of its hub threads. The one global of the driver; a leaf module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._hub.native import RLock

if TYPE_CHECKING:
    from greenmongo._hub.thread import HubThread

__all__ = ["PROCESS", "ProcessState", "process_generation"]


class ProcessState:
    """The hub threads of this process. `_hub.process` changes what a fork or the exit changes."""

    def __init__(self) -> None:
        self.lock = RLock()
        """Of `current`, and of the leases of hub threads."""
        self.generation = 0
        """How often the process was forked to come to this one."""
        self.current: HubThread | None = None
        """What is leased next."""
        self.all: list[HubThread] = []
        """Those that may be running."""
        self.leaked: list[HubThread] = []
        """Those of the parent processes: kept, as their event loops must not be touched here."""
        self.exiting_thread: int | None = None
        """The thread in which the process ends, from then on."""


PROCESS = ProcessState()


def process_generation() -> int:
    """Return a number that differs in a forked child."""
    return PROCESS.generation
