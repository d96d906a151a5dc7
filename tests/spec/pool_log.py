"""The events of one pool, in the words of the specification's pool tests."""

from __future__ import annotations

from typing import Any

from pymongo import monitoring

from greenmongo._core.types import Document, format_address
from greenmongo._hub.background import wait_for_background

__all__ = ["PoolLog"]

PATIENCE = 15.0

_NAMES = {
    monitoring.PoolCreatedEvent: "ConnectionPoolCreated",
    monitoring.PoolReadyEvent: "ConnectionPoolReady",
    monitoring.PoolClearedEvent: "ConnectionPoolCleared",
    monitoring.PoolClosedEvent: "ConnectionPoolClosed",
    monitoring.ConnectionCreatedEvent: "ConnectionCreated",
    monitoring.ConnectionReadyEvent: "ConnectionReady",
    monitoring.ConnectionClosedEvent: "ConnectionClosed",
    monitoring.ConnectionCheckOutStartedEvent: "ConnectionCheckOutStarted",
    monitoring.ConnectionCheckOutFailedEvent: "ConnectionCheckOutFailed",
    monitoring.ConnectionCheckedOutEvent: "ConnectionCheckedOut",
    monitoring.ConnectionCheckedInEvent: "ConnectionCheckedIn",
}
_FACTS = {
    "connection_id": "connectionId",
    "duration": "duration",
    "interrupt_connections": "interruptInUseConnections",
    "options": "options",
    "reason": "reason",
}


class PoolLog(monitoring.ConnectionPoolListener):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self._events: list[Document] = []

    @property
    def events(self) -> list[Document]:
        """What was told so far."""
        wait_for_background(PATIENCE)
        return self._events

    def count(self, name: str) -> int:
        """Return how many events of that name there were."""
        return sum(event["type"] == name for event in self.events)

    def _note(self, event: Any) -> None:
        facts = {
            ours: getattr(event, name) for name, ours in _FACTS.items() if hasattr(event, name)
        }
        address = format_address(event.address)
        self._events.append({"type": _NAMES[type(event)], "address": address, **facts})

    pool_created = pool_ready = pool_cleared = pool_closed = _note
    connection_created = connection_ready = connection_closed = _note
    connection_check_out_started = connection_check_out_failed = _note
    connection_checked_out = connection_checked_in = _note
