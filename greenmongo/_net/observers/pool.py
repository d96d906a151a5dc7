"""Publishes what becomes of one pool: to pool listeners and to the logger `greenmongo.connection`.

Connection Monitoring and Pooling, "Connection Pool Monitoring" and "Connection Pool Logging"."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutFailedReason,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionClosedReason,
    ConnectionCreatedEvent,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from greenmongo._core.close_reasons import CLOSED_TEXTS
from greenmongo._core.events import (
    CHECKOUT_FAILED_TEXTS,
    checkout_failed_reason,
    pool_options,
)
from greenmongo._core.log_message import address_fields
from greenmongo._net.observers.publisher import CONNECTION, DEBUG

if TYPE_CHECKING:
    from typing import Any

    from bson.objectid import ObjectId

    from greenmongo._core.pool_rules import PoolLimits
    from greenmongo._core.types import Address
    from greenmongo._net.connection import Connection
    from greenmongo._net.observers.publisher import Publisher

__all__ = ["PoolObserver"]


class PoolObserver:
    """One pool's events. Hub side only."""

    __slots__ = ("_address", "_listeners", "_publisher")

    def __init__(self, publisher: Publisher, address: Address) -> None:
        self._publisher = publisher
        self._address = address
        self._listeners = publisher.pool_listeners

    def is_wanted(self) -> bool:
        """Return whether anybody listens or logs."""
        return bool(self._listeners) or CONNECTION.isEnabledFor(DEBUG)

    # ---- the pool ---------------------------------------------------------------------------

    def pool_created(self, limits: PoolLimits) -> None:
        """Publish that there is a pool now."""
        options = pool_options(limits)
        if self._listeners:
            self._put("pool_created", PoolCreatedEvent(self._address, options))
        self._log("Connection pool created", options)

    def pool_ready(self) -> None:
        """Publish that connections can be had from now on."""
        if self._listeners:
            self._put("pool_ready", PoolReadyEvent(self._address))
        self._log("Connection pool ready")

    def pool_cleared(self, *, interrupt: bool = False, service_id: ObjectId | None = None) -> None:
        """Publish that all connections, or all to one server, have become stale."""
        if self._listeners:
            event = PoolClearedEvent(self._address, service_id, interrupt)
            self._put("pool_cleared", event)
        fields = None if service_id is None else {"serviceId": str(service_id)}
        self._log("Connection pool cleared", fields)

    def pool_closed(self) -> None:
        """Publish that no connections can be had any more."""
        if self._listeners:
            self._put("pool_closed", PoolClosedEvent(self._address))
        self._log("Connection pool closed")

    # ---- a connection -----------------------------------------------------------------------

    def created(self, number: int) -> None:
        """Publish that a connection is about to be opened."""
        if self._listeners:
            self._put("connection_created", ConnectionCreatedEvent(self._address, number))
        self._log("Connection created", {"driverConnectionId": number})

    def ready(self, number: int, created_at: float) -> None:
        """Publish that a connection is open, `created_at` being when that began."""
        if not self.is_wanted():
            return
        # CMAP, ConnectionReadyEvent: from its creation, the handshake included.
        duration = monotonic() - created_at
        if self._listeners:
            self._put("connection_ready", ConnectionReadyEvent(self._address, number, duration))
        self._log("Connection ready", {"driverConnectionId": number, "durationMS": duration * 1000})

    def closed(self, number: int, reason: str, error: BaseException | None = None) -> None:
        """Publish that a connection is no more."""
        if not self.is_wanted():
            return
        if self._listeners:
            self._put("connection_closed", ConnectionClosedEvent(self._address, number, reason))
        fields = {"driverConnectionId": number, "reason": CLOSED_TEXTS[reason]}
        if reason == ConnectionClosedReason.ERROR and error is not None:
            fields["error"] = repr(error)
        self._log("Connection closed", fields)

    # ---- who has it -------------------------------------------------------------------------

    def checkout_started(self) -> float | None:
        """Publish that somebody wants a connection; return the time, None if nobody listens."""
        # Not `is_wanted()`: every operation comes by here.
        if not self._listeners and not CONNECTION.isEnabledFor(DEBUG):
            return None
        started = monotonic()
        if self._listeners:
            event = ConnectionCheckOutStartedEvent(self._address)
            self._put("connection_check_out_started", event)
        self._log("Connection checkout started")
        return started

    def checkout_failed(self, started: float, error: BaseException) -> None:
        """Publish that somebody got no connection."""
        duration = monotonic() - started
        # CMAP, "Events": the reason is one of three, whatever the error was.
        reason = checkout_failed_reason(error)
        if self._listeners:
            event = ConnectionCheckOutFailedEvent(self._address, reason, duration)
            self._put("connection_check_out_failed", event)
        fields = {"reason": CHECKOUT_FAILED_TEXTS[reason], "durationMS": duration * 1000}
        if reason == ConnectionCheckOutFailedReason.CONN_ERROR:
            fields["error"] = repr(error)
        self._log("Connection checkout failed", fields)

    def checked_out(self, started: float, connection: Connection) -> None:
        """Publish that somebody got a connection."""
        duration = monotonic() - started
        number = connection.number
        if self._listeners:
            event = ConnectionCheckedOutEvent(self._address, number, duration)
            self._put("connection_checked_out", event)
        self._log(
            "Connection checked out",
            {"driverConnectionId": number, "durationMS": duration * 1000},
        )

    def checked_in(self, connection: Connection) -> None:
        """Publish that a connection came back."""
        number = connection.number
        if self._listeners:
            event = ConnectionCheckedInEvent(self._address, number)
            self._put("connection_checked_in", event)
        self._log("Connection checked in", {"driverConnectionId": number})

    def _put(self, method: str, event: object) -> None:
        for listener in self._listeners:
            self._publisher.put(getattr(listener, method), event)

    def _log(self, message: str, fields: dict[str, Any] | None = None) -> None:
        if CONNECTION.isEnabledFor(DEBUG):
            self._publisher.put_log(
                CONNECTION, {"message": message, **address_fields(self._address), **(fields or {})}
            )
