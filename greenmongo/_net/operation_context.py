"""What an operation needs of the client it runs for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._core.sessions.transaction import Transaction
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.connection import Connection
    from greenmongo._net.observers.command import CommandMonitoring
    from greenmongo._net.sessions import Sessions
    from greenmongo._net.topology import Topology

__all__ = ["OperationContext"]


class OperationContext(Protocol):
    """What an operation needs of the client it runs for."""

    options: ClientOptions
    topology: Topology
    sessions: Sessions
    command_monitoring: CommandMonitoring
    thread: HubThread
    plain_options: CodecOptions[Any]
    """Options that were found to suit a whole reply, envelope included."""

    def execute_later(self, command: Command) -> None:
        """Run a command that nobody waits for. Does not wait."""
        ...

    def roll_back(
        self, state: SessionState, transaction: Transaction, *, is_repeated: bool = False
    ) -> None:
        """Have a transaction aborted that nobody else ends. Does not wait.

        Args:
            state: the session.
            transaction: its transaction.
            is_repeated: the caller's own abortTransaction was sent, and not answered in time.
        """
        ...

    def end_on_server(
        self, connection: Connection, when_ended: Callable[[], object] | None = None
    ) -> None:
        """Have the operation of a connection that is given up ended on the server."""
        ...

    def reauthenticate(self, connection: Connection, timeout: float | None) -> None:
        """Renew what a connection is logged in with, because its server demands it."""
        ...
