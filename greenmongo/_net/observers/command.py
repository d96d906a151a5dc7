"""Observes commands: makes events for listeners of each one, and log messages.

Command Logging and Monitoring. Unlike other events these are published in the caller's place: the
thread, greenlet or task that waits for the command, with its thread-locals and context variables.
The command does not wait for them.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from greenmongo._core.events import CommandFacts, as_sent, failure_document
from greenmongo._core.log_message import LogMessage
from greenmongo._core.pool_rules import ConnectionState
from greenmongo._hub.checkpoint import checkpoint
from greenmongo._hub.upcall import notify_caller
from greenmongo._net.observers.publisher import COMMAND, DEBUG, log, notify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bson.objectid import ObjectId
    from pymongo.monitoring import CommandListener

    from greenmongo._core.command import Command
    from greenmongo._core.types import Address, Document
    from greenmongo._net.observers.publisher import Publisher
    from greenmongo._net.observers.tracing import OperationTrace

__all__ = ["CommandMonitoring", "CommandObserver", "CommandRecord"]

_PENDING = ConnectionState.PENDING


class CommandRecord(Protocol):
    """What one maker makes of one command: `started`, then one of the others.

    A new kind of telemetry implements this, and `CommandMonitoring.observe` creates it. Its methods
    are called in the caller's place, so they may run code of the user's; they must not raise.
    """

    def started(self, document: Document) -> None:
        """Record that the command is about to be sent."""

    def succeeded(self, duration: float, reply: Document) -> None:
        """Record the reply of a command that the server took as valid."""

    def failed(self, duration: float, failure: Document) -> None:
        """Record the server's refusal, or what stands for a reply that never came."""


class ObservedConnection(Protocol):
    """What a record says of the connection that a command is sent on."""

    @property
    def address(self) -> Address:
        """The server's address."""
        ...

    number: int
    """The driver's own id of the connection."""
    server_connection_id: int | None
    """The server's own id of the connection."""
    service_id: ObjectId | None
    """The server that was reached behind a load balancer."""
    state: ConnectionState
    """`PENDING` until the handshake is over."""


class CommandMonitoring:
    """Who observes the commands of one client. Hub side only."""

    __slots__ = ("_is_tracing", "_listeners", "publisher")

    def __init__(self, publisher: Publisher, *, is_tracing: bool = False) -> None:
        self.publisher = publisher
        self._listeners = publisher.command_listeners
        self._is_tracing = is_tracing

    def is_wanted(self) -> bool:
        """Return whether anybody listens, traces or logs."""
        return bool(self._listeners) or self._is_tracing or COMMAND.isEnabledFor(DEBUG)

    def observe(
        self,
        connection: ObservedConnection,
        document: Document,
        db: str,
        request_id: int,
        operation_id: int | None = None,
        *,
        is_sensitive: bool,
        trace: OperationTrace | None = None,
    ) -> CommandObserver:
        """Return the observer of one command that is about to be sent on a connection.

        Args:
            is_sensitive: the command carries credentials.
            trace: the span of the operation that it is sent for.
        """
        facts = CommandFacts(
            next(iter(document)),
            db,
            request_id,
            request_id if operation_id is None else operation_id,
            connection.address,
            connection.number,
            connection.server_connection_id,
            connection.service_id,
            is_sensitive,
        )
        records: list[CommandRecord] = []
        if self._listeners:
            records.append(_Events(self._listeners, facts))
        # OpenTelemetry, "Instrumenting Server Commands": all but sensitive ones.
        if trace is not None and not is_sensitive:
            records.append(trace.command(facts))
        # "Log Messages": commands of the handshake are published but never logged.
        if connection.state is not _PENDING and COMMAND.isEnabledFor(DEBUG):
            records.append(_Log(self.publisher, facts))
        return CommandObserver(records, facts)

    def retrying(self, command: Command, operation_id: int | None, attempt: int) -> None:
        """Log that a command is about to be sent again; there is no such event."""
        if COMMAND.isEnabledFor(DEBUG):
            fields = {
                "message": f"Retrying {'write' if command.is_write else 'read'} attempt number"
                f" {attempt}",
                "clientId": self.publisher.id,
                "commandName": command.name,
                "operationId": operation_id,
            }
            notify_caller(partial(log, COMMAND, DEBUG, LogMessage(fields)))


class CommandObserver:
    """Measures one command, decides whether it succeeded, and has it recorded. Hub side only."""

    __slots__ = ("_began", "_facts", "_records")

    def __init__(self, records: Sequence[CommandRecord], facts: CommandFacts) -> None:
        self._records = records
        self._facts = facts
        self._began = 0.0

    def started(self, body: Document, command: Command | None = None) -> None:
        """Have recorded that the command is about to be sent.

        Args:
            body: its document.
            command: where there is more of it, in a document sequence.
        """
        notify_caller(partial(self._record_start, body, command))
        self._began = monotonic()

    def answered(
        self, reply: Document, tolerates: Callable[[Document], bool] | None = None
    ) -> None:
        """Have the server's reply recorded, be it ok or not.

        Args:
            tolerates: says of a refusal that the caller takes it for a success, as PyMongo does.
        """
        duration = monotonic() - self._began
        # "Succeeded or Failed": what is not ok has failed, while write errors are a success.
        if reply.get("ok") or (tolerates is not None and tolerates(reply)):
            notify_caller(partial(self._record_success, duration, reply))
        else:
            self._fail(duration, self._facts.shown_failure(reply))

    def failed(self, error: BaseException) -> None:
        """Have recorded that no reply came, or none that made sense ("Error Handling")."""
        self._fail(monotonic() - self._began, failure_document(error))

    def _fail(self, duration: float, failure: Document) -> None:
        notify_caller(partial(self._record_failure, duration, failure))

    # ---- in the caller's place --------------------------------------------------------------

    def _record_start(self, body: Document, command: Command | None) -> None:
        document = body if command is None else as_sent(command, body, checkpoint)
        for record in self._records:
            record.started(document)

    def _record_success(self, duration: float, reply: Document) -> None:
        for record in self._records:
            record.succeeded(duration, reply)

    def _record_failure(self, duration: float, failure: Document) -> None:
        for record in self._records:
            record.failed(duration, failure)


class _Events:
    """The events of one command, for the client's command listeners."""

    __slots__ = ("_facts", "_listeners")

    def __init__(self, listeners: Sequence[CommandListener], facts: CommandFacts) -> None:
        self._listeners = listeners
        self._facts = facts

    def started(self, document: Document) -> None:
        event = self._facts.started(document)
        for listener in self._listeners:
            notify(listener.started, event)

    def succeeded(self, duration: float, reply: Document) -> None:
        event = self._facts.succeeded(duration, reply)
        for listener in self._listeners:
            notify(listener.succeeded, event)

    def failed(self, duration: float, failure: Document) -> None:
        event = self._facts.failed(duration, failure)
        for listener in self._listeners:
            notify(listener.failed, event)


class _Log:
    """The messages about one command, for the logger `greenmongo.command`."""

    __slots__ = ("_facts", "_publisher")

    def __init__(self, publisher: Publisher, facts: CommandFacts) -> None:
        self._publisher = publisher
        self._facts = facts

    def started(self, document: Document) -> None:
        shown = self._publisher.shorten(self._facts.shown(document))
        self._log("Command started", {"command": shown})

    def succeeded(self, duration: float, reply: Document) -> None:
        shown = self._publisher.shorten(self._facts.shown(reply))
        self._log("Command succeeded", {"durationMS": duration * 1000, "reply": shown})

    def failed(self, duration: float, failure: Document) -> None:
        shown = self._publisher.shorten(failure)
        self._log("Command failed", {"durationMS": duration * 1000, "failure": shown})

    def _log(self, message: str, fields: Document) -> None:
        common = self._facts.log_fields(message)
        log(COMMAND, DEBUG, LogMessage({**common, "clientId": self._publisher.id, **fields}))
