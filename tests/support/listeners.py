"""Listeners that write down whatever they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import monitoring
from pymongo.monitoring import (
    CommandListener,
    ConnectionPoolListener,
    ServerHeartbeatListener,
    ServerListener,
    TopologyListener,
)

from greenmongo._hub.background import wait_for_background

__all__ = ["Recorder", "Told"]

PATIENCE = 15.0

E = TypeVar("E")
Told = Callable[[Any], None]


def _listener(kind: type[Any], told: Told) -> Any:
    """Return a listener of some kind that has one method for all events."""
    methods = [name for name in vars(kind) if not name.startswith("_")]
    return type(kind.__name__, (kind,), {name: staticmethod(told) for name in methods})()


class Recorder:
    """Everything that one client tells, in the order of it.

    Args:
        kinds: some of "commands", "heartbeats", "servers", "topologies", "pools"; all if none.
        also: called with each event, too, after it was written down.
    """

    def __init__(self, *kinds: str, also: Told | None = None) -> None:
        self._events: list[Any] = []
        self._also = also
        listeners = {
            "commands": CommandListener,
            "heartbeats": ServerHeartbeatListener,
            "servers": ServerListener,
            "topologies": TopologyListener,
            "pools": ConnectionPoolListener,
        }
        self.listeners = [_listener(listeners[kind], self._take) for kind in kinds or listeners]

    @property
    def events(self) -> list[Any]:
        """All there were so far; pools and the deployment tell of theirs in the background."""
        wait_for_background(PATIENCE)
        return self._events

    def _take(self, event: Any) -> None:
        self._events.append(event)
        if self._also is not None:
            self._also(event)

    @property
    def names(self) -> list[str]:
        """The kinds of events, without "Event"."""
        return [type(event).__name__.removesuffix("Event") for event in self.events]

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    def started(self, name: str) -> monitoring.CommandStartedEvent:
        """Return the beginning of the last command of that name."""
        starts = self.of(monitoring.CommandStartedEvent)
        return [event for event in starts if event.command_name == name][-1]

    def succeeded(self, name: str) -> monitoring.CommandSucceededEvent:
        """Return the success of the last command of that name."""
        ends = self.of(monitoring.CommandSucceededEvent)
        return [event for event in ends if event.command_name == name][-1]

    def failed(self, name: str) -> monitoring.CommandFailedEvent:
        """Return the failure of the last command of that name."""
        ends = self.of(monitoring.CommandFailedEvent)
        return [event for event in ends if event.command_name == name][-1]
