"""Tells of commands: to command listeners and to the logger `greenmongo.command`.

Unlike other events these are told at once, in the greenlet that runs the operation, where the
caller's context variables are in force.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from greenmongo._core.events import CommandFacts, failure_document, is_sensitive
from greenmongo._core.log_message import LogMessage
from greenmongo._net.observers.publisher import COMMAND, DEBUG

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from greenmongo._core.command import Command
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.observers.publisher import Publisher

__all__ = ["CommandEvents", "WatchedCommand"]


class CommandEvents:
    """The commands of one client. Hub side only."""

    __slots__ = ("_listeners", "publisher")

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self._listeners = publisher.command_listeners

    def is_wanted(self) -> bool:
        """Tell whether anybody listens or logs."""
        return bool(self._listeners) or COMMAND.isEnabledFor(DEBUG)

    def watch(
        self,
        connection: Connection,
        document: Document,
        db: str,
        request_id: int,
        operation_id: int | None = None,
    ) -> WatchedCommand:
        """Return what is to be told of the beginning of a command, and then of its end."""
        name = next(iter(document))
        facts = CommandFacts(
            name,
            db,
            request_id,
            request_id if operation_id is None else operation_id,
            connection.address,
            connection.number,
            connection.server_connection_id,
            connection.service_id,
            is_sensitive(name, document),
        )
        # Commands of the handshake are told to listeners but never logged.
        is_logged = connection.is_established and COMMAND.isEnabledFor(DEBUG)
        return WatchedCommand(self, facts, is_logged)

    def retrying(self, command: Command, operation_id: int | None, attempt: int) -> None:
        """Tell that a command is about to be tried again; only the log does."""
        if COMMAND.isEnabledFor(DEBUG):
            fields = {
                "message": f"Retrying {'write' if command.is_write else 'read'} attempt number"
                f" {attempt}",
                "clientId": self.publisher.id,
                "commandName": command.name,
                "operationId": operation_id,
            }
            self.publisher.tell(COMMAND.debug, LogMessage(fields))


class WatchedCommand:
    """A command under way, of which somebody wants to know how it ends."""

    __slots__ = ("_began", "_facts", "_is_logged", "_publisher")

    def __init__(self, events: CommandEvents, facts: CommandFacts, is_logged: bool) -> None:
        self._publisher = events.publisher
        self._facts = facts
        self._is_logged = is_logged
        self._began = 0.0

    def started(self, document: Document) -> None:
        """Tell that the command is about to be sent."""
        publisher = self._publisher
        self._began = monotonic()
        if publisher.command_listeners:
            event = self._facts.started(document)
            for listener in publisher.command_listeners:
                publisher.tell(listener.started, event)
        if self._is_logged:
            shown = publisher.shorten(self._facts.shown(document))
            self._log("Command started", {"command": shown})
        # What the listeners took does not count.
        self._began = monotonic()

    def answered(
        self, reply: Document, tolerates: Callable[[Document], bool] | None = None
    ) -> None:
        """Tell of the server's reply, be it ok or not."""
        duration = monotonic() - self._began
        if not reply.get("ok") and not (tolerates is not None and tolerates(reply)):
            self._fail(duration, self._facts.shown_failure(reply))
            return
        publisher = self._publisher
        if publisher.command_listeners:
            event = self._facts.succeeded(duration, reply)
            for listener in publisher.command_listeners:
                publisher.tell(listener.succeeded, event)
        if self._is_logged:
            shown = publisher.shorten(self._facts.shown(reply))
            self._log("Command succeeded", {"durationMS": duration * 1000, "reply": shown})

    def failed(self, error: BaseException) -> None:
        """Tell that no reply came, or none that made sense."""
        self._fail(monotonic() - self._began, failure_document(error))

    def _log(self, message: str, fields: dict[str, Any]) -> None:
        publisher = self._publisher
        common = self._facts.log_fields(message)
        message_object = LogMessage({**common, "clientId": publisher.id, **fields})
        publisher.tell(COMMAND.debug, message_object)

    def _fail(self, duration: float, failure: Document) -> None:
        publisher = self._publisher
        if publisher.command_listeners:
            event = self._facts.failed(duration, failure)
            for listener in publisher.command_listeners:
                publisher.tell(listener.failed, event)
        if self._is_logged:
            shown = publisher.shorten(failure)
            self._log("Command failed", {"durationMS": duration * 1000, "failure": shown})
