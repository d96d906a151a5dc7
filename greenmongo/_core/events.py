"""From facts to PyMongo's event objects, without telling anybody. Durations are seconds.

Commands that carry credentials are told with empty documents, and of their failures nothing but
the codes (Command Logging and Monitoring, "Security").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import bson
from pymongo.errors import WaitQueueTimeoutError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionCheckOutFailedReason,
)

from greenmongo._core.cursors.undecoded_batch import with_checkpoints
from greenmongo._core.pool_rules import PoolClosed
from greenmongo._core.types import Document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bson.objectid import ObjectId

    from greenmongo._core.command import Command
    from greenmongo._core.pool_rules import PoolLimits
    from greenmongo._core.types import Address

__all__ = [
    "CHECKOUT_FAILED_TEXTS",
    "CommandFacts",
    "as_sent",
    "checkout_failed_reason",
    "failure_document",
    "pool_options",
]

_SHOWN_OF_SENSITIVE_FAILURES = ("code", "codeName", "errorLabels")

CHECKOUT_FAILED_TEXTS: Mapping[str, str] = {
    ConnectionCheckOutFailedReason.TIMEOUT: (
        "Wait queue timeout elapsed without a connection becoming available"
    ),
    ConnectionCheckOutFailedReason.CONN_ERROR: (
        "An error occurred while trying to establish a new connection"
    ),
    ConnectionCheckOutFailedReason.POOL_CLOSED: "Connection pool was closed",
}
"""What log messages say for the reasons of a `ConnectionCheckOutFailedEvent`."""


def as_sent(command: Command, body: Document, checkpoint: Callable[[], object]) -> Document:
    """Return a command as one document: what was sent beside the body is an array in it.

    Args:
        checkpoint: called now and then if there is much to decode.
    """
    if not command.sequences:
        return body
    options = command.codec_options.with_options(document_class=dict)
    shown = dict(body)
    for identifier, documents in command.sequences:
        shown[identifier] = [
            bson.decode(each, options) for each in with_checkpoints(documents, checkpoint)
        ]
    return shown


def failure_document(error: BaseException) -> Document:
    """Return what stands for the reply of a command that got none."""
    return {"errmsg": str(error), "errtype": type(error).__name__}


@dataclass(frozen=True, slots=True)
class CommandFacts:
    """What all events and log messages of one command have in common."""

    name: str
    db: str
    request_id: int
    operation_id: int
    address: Address
    driver_connection_id: int
    server_connection_id: int | None
    service_id: ObjectId | None
    is_sensitive: bool

    def started(self, command: Document) -> CommandStartedEvent:
        """Return the event of a command that is about to be sent."""
        return CommandStartedEvent(
            # The class itself hides what is sensitive: it has to see the name in any case.
            command,
            self.db,
            self.request_id,
            self.address,
            self.operation_id,
            service_id=self.service_id,
            server_connection_id=self.server_connection_id,
        )

    def succeeded(self, duration: float, reply: Document) -> CommandSucceededEvent:
        """Return the event of a command that was answered with ok."""
        return CommandSucceededEvent(
            timedelta(seconds=duration),
            self.shown(reply),
            self.name,
            self.request_id,
            self.address,
            self.operation_id,
            service_id=self.service_id,
            database_name=self.db,
            server_connection_id=self.server_connection_id,
        )

    def failed(self, duration: float, failure: Document) -> CommandFailedEvent:
        """Return the event of a command that was refused, or not answered.

        Args:
            duration: seconds.
            failure: what `shown_failure` or `failure_document` returned.
        """
        return CommandFailedEvent(
            timedelta(seconds=duration),
            failure,
            self.name,
            self.request_id,
            self.address,
            self.operation_id,
            service_id=self.service_id,
            database_name=self.db,
            server_connection_id=self.server_connection_id,
        )

    def shown(self, document: Document) -> Document:
        """Return a command or a reply, or an empty document in its place."""
        return {} if self.is_sensitive else document

    def shown_failure(self, failure: Document) -> Document:
        """Return a server's refusal, or the codes of a sensitive one."""
        if not self.is_sensitive:
            return failure
        return {key: failure[key] for key in _SHOWN_OF_SENSITIVE_FAILURES if key in failure}

    def log_fields(self, message: str) -> Document:
        """Return the fields of a log message; None stands for what is not known."""
        host, port = self.address
        return {
            "message": message,
            "commandName": self.name,
            "databaseName": self.db,
            "requestId": self.request_id,
            "operationId": self.operation_id,
            "driverConnectionId": self.driver_connection_id,
            "serverConnectionId": self.server_connection_id,
            "serverHost": host,
            "serverPort": port,
            "serviceId": None if self.service_id is None else str(self.service_id),
        }


def checkout_failed_reason(error: BaseException) -> str:
    """Return why a connection could not be checked out, in the specification's words."""
    if isinstance(error, PoolClosed):
        return ConnectionCheckOutFailedReason.POOL_CLOSED
    if isinstance(error, WaitQueueTimeoutError) or not isinstance(error, Exception):
        # What is no `Exception` was thrown in from outside: the caller has left the wait queue.
        return ConnectionCheckOutFailedReason.TIMEOUT
    return ConnectionCheckOutFailedReason.CONN_ERROR


def pool_options(limits: PoolLimits) -> Document:
    """Return the options of a pool that are not the defaults, in the specification's words."""
    options: Document = {}
    if limits.max_size != 100:
        options["maxPoolSize"] = limits.max_size or 0
    if limits.min_size:
        options["minPoolSize"] = limits.min_size
    if limits.max_idle_time is not None:
        options["maxIdleTimeMS"] = limits.max_idle_time * 1000
    if limits.max_connecting != 2:
        options["maxConnecting"] = limits.max_connecting
    if limits.wait_timeout is not None:
        options["waitQueueTimeoutMS"] = limits.wait_timeout * 1000
    return options
