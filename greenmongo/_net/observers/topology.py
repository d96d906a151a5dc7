"""Publishes how the deployment changes: to topology, server and heartbeat listeners, and the log.

Server Discovery and Monitoring Logging and Monitoring; the logger is `greenmongo.topology`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pymongo.monitoring import (
    ServerClosedEvent,
    ServerDescriptionChangedEvent,
    ServerHeartbeatFailedEvent,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
    ServerOpeningEvent,
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyOpenedEvent,
)

from greenmongo._core.log_message import address_fields
from greenmongo._net.observers.publisher import DEBUG, TOPOLOGY

if TYPE_CHECKING:
    from greenmongo._core.heartbeat_reply import HelloReply
    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.sdam.topology_description import TopologyDescription
    from greenmongo._core.types import Address, Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.observers.publisher import Publisher

__all__ = ["TopologyObserver"]


class TopologyObserver:
    """One deployment's events. Hub side only."""

    __slots__ = ("_heartbeat_listeners", "_server_listeners", "_topology_listeners", "publisher")

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self._topology_listeners = publisher.topology_listeners
        self._server_listeners = publisher.server_listeners
        self._heartbeat_listeners = publisher.heartbeat_listeners

    # ---- the topology -----------------------------------------------------------------------

    def opened(self) -> None:
        """Publish that there is a topology now.

        SDAM Logging and Monitoring, "Events": TopologyOpeningEvent comes before all others.
        """
        for listener in self._topology_listeners:
            self.publisher.put(listener.opened, TopologyOpenedEvent(self.publisher.id))
        self._log("Starting topology monitoring")

    def changed(self, previous: TopologyDescription, current: TopologyDescription) -> None:
        """Publish that the deployment is seen in another way now."""
        if self._topology_listeners:
            # Ours have the attributes that PyMongo documents for its own.
            event = TopologyDescriptionChangedEvent(
                cast(Any, previous), cast(Any, current), self.publisher.id
            )
            for listener in self._topology_listeners:
                self.publisher.put(listener.description_changed, event)
        if TOPOLOGY.isEnabledFor(DEBUG):
            self._log(
                "Topology description changed",
                {"previousDescription": str(previous), "newDescription": str(current)},
            )

    def closed(self) -> None:
        """Publish that there is no topology any more. Comes after everything else."""
        for listener in self._topology_listeners:
            self.publisher.put(listener.closed, TopologyClosedEvent(self.publisher.id))
        self._log("Stopped topology monitoring")

    # ---- a server ---------------------------------------------------------------------------

    def server_opened(self, address: Address) -> None:
        """Publish that a server belongs to the topology from now on."""
        if self._server_listeners:
            event = ServerOpeningEvent(address, self.publisher.id)
            for listener in self._server_listeners:
                self.publisher.put(listener.opened, event)
        self._log("Starting server monitoring", address_fields(address))

    def server_changed(self, previous: ServerDescription, current: ServerDescription) -> None:
        """Publish that a server has changed. The log leaves this to the change of the topology."""
        if self._server_listeners:
            event = ServerDescriptionChangedEvent(
                cast(Any, previous), cast(Any, current), current.address, self.publisher.id
            )
            for listener in self._server_listeners:
                self.publisher.put(listener.description_changed, event)

    def server_closed(self, address: Address) -> None:
        """Publish that a server does not belong to the topology any more."""
        if self._server_listeners:
            event = ServerClosedEvent(address, self.publisher.id)
            for listener in self._server_listeners:
                self.publisher.put(listener.closed, event)
        self._log("Stopped server monitoring", address_fields(address))

    # ---- a heartbeat ------------------------------------------------------------------------

    def heartbeat_started(
        self,
        address: Address,
        number: int,
        connection: Connection | None,
        *,
        awaited: bool = False,
    ) -> None:
        """Publish that a server is about to be checked.

        Args:
            address: the server's.
            number: the driver's own of the connection, which may have to be opened first.
            connection: None while there is none.
            awaited: the server answers when it has news.
        """
        if self._heartbeat_listeners:
            event = ServerHeartbeatStartedEvent(address, awaited)
            for listener in self._heartbeat_listeners:
                self.publisher.put(listener.started, event)
        self._log_heartbeat("started", address, number, connection, {"awaited": awaited})

    def heartbeat_succeeded(
        self,
        address: Address,
        number: int,
        connection: Connection | None,
        reply: HelloReply,
        duration: float,
        *,
        awaited: bool = False,
    ) -> None:
        """Publish that a server answered its check after `duration` seconds."""
        if self._heartbeat_listeners:
            event = ServerHeartbeatSucceededEvent(duration, cast(Any, reply), address, awaited)
            for listener in self._heartbeat_listeners:
                self.publisher.put(listener.succeeded, event)
        if TOPOLOGY.isEnabledFor(DEBUG):
            shown = self.publisher.shorten(reply.document)
            fields = {"awaited": awaited, "durationMS": duration * 1000, "reply": shown}
            self._log_heartbeat("succeeded", address, number, connection, fields)

    def heartbeat_failed(
        self,
        address: Address,
        number: int,
        connection: Connection | None,
        error: Exception,
        duration: float,
        *,
        awaited: bool = False,
    ) -> None:
        """Publish that a check failed after `duration` seconds."""
        if self._heartbeat_listeners:
            event = ServerHeartbeatFailedEvent(duration, error, address, awaited)
            for listener in self._heartbeat_listeners:
                self.publisher.put(listener.failed, event)
        if TOPOLOGY.isEnabledFor(DEBUG):
            fields = {"awaited": awaited, "durationMS": duration * 1000, "failure": repr(error)}
            self._log_heartbeat("failed", address, number, connection, fields)

    def _log_heartbeat(
        self,
        what: str,
        address: Address,
        number: int,
        connection: Connection | None,
        fields: Document,
    ) -> None:
        if TOPOLOGY.isEnabledFor(DEBUG):
            ids: Document = {"driverConnectionId": number}
            if connection is not None:
                ids["serverConnectionId"] = connection.server_connection_id
            self._log(f"Server heartbeat {what}", {**address_fields(address), **ids, **fields})

    def _log(self, message: str, fields: Document | None = None) -> None:
        if TOPOLOGY.isEnabledFor(DEBUG):
            publisher = self.publisher
            publisher.put_log(
                TOPOLOGY, {"message": message, "topologyId": publisher.id, **(fields or {})}
            )
