"""Logs how servers are selected, to `greenmongo.serverSelection`.

Server Selection, "Logging". As of commands, the messages are logged in the caller's place.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from greenmongo._core.log_message import LogMessage, address_fields
from greenmongo._hub.upcall import notify_caller
from greenmongo._net.observers.publisher import DEBUG, SERVER_SELECTION, log

if TYPE_CHECKING:
    from greenmongo._core.sdam.topology_description import TopologyDescription
    from greenmongo._core.types import Address, Document, ReadMode
    from greenmongo._net.observers.publisher import Publisher

__all__ = ["SelectionLog", "log_selection"]


def log_selection(
    publisher: Publisher,
    topology: TopologyDescription,
    preference: ReadMode | None,
    operation: str,
    operation_id: int | None,
) -> SelectionLog | None:
    """Log that a server is wanted; return where to log the outcome, None if nobody logs."""
    if not SERVER_SELECTION.isEnabledFor(logging.INFO):
        return None
    log = SelectionLog(publisher, preference, operation, operation_id)
    log.started(topology)
    return log


class SelectionLog:
    """The messages about the selection of one server, for the logger of that name."""

    __slots__ = ("_has_waited", "_operation", "_operation_id", "_preference", "_publisher")

    def __init__(
        self,
        publisher: Publisher,
        preference: ReadMode | None,
        operation: str,
        operation_id: int | None,
    ) -> None:
        self._publisher = publisher
        self._preference = preference
        self._operation = operation
        self._operation_id = operation_id
        self._has_waited = False

    def started(self, topology: TopologyDescription) -> None:
        """Log that a server is wanted."""
        self._log("Server selection started", topology)

    def succeeded(self, topology: TopologyDescription, address: Address) -> None:
        """Log which server it is."""
        self._log("Server selection succeeded", topology, address_fields(address))

    def failed(self, topology: TopologyDescription, error: Exception) -> None:
        """Log that there is none."""
        self._log("Server selection failed", topology, {"failure": str(error)})

    def waiting(self, topology: TopologyDescription, remaining: float) -> None:
        """Log, once, that none suits and how many seconds are left to find one."""
        if not self._has_waited:
            self._has_waited = True
            fields = {"remainingTimeMS": int(remaining * 1000)}
            message = "Waiting for suitable server to become available"
            self._log(message, topology, fields, logging.INFO)

    def _log(
        self,
        message: str,
        topology: TopologyDescription,
        fields: Document | None = None,
        level: int = DEBUG,
    ) -> None:
        if SERVER_SELECTION.isEnabledFor(level):
            notify_caller(partial(self._log_in_place, message, topology, fields, level))

    def _log_in_place(
        self, message: str, topology: TopologyDescription, fields: Document | None, level: int
    ) -> None:
        preference = self._preference
        common: Document = {
            "message": message,
            "clientId": self._publisher.id,
            "selector": "writable server" if preference is None else repr(preference),
            "operation": self._operation,
            "operationId": self._operation_id,
            "topologyDescription": str(topology),
        }
        log(SERVER_SELECTION, level, LogMessage({**common, **(fields or {})}))
