"""An executor that can be closed and used again, and can drop its connections alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pymongo.errors import InvalidOperation

from greenmongo._net.executor import Executor

if TYPE_CHECKING:
    from greenmongo._core.options.credentials import Credentials
    from greenmongo._net.engine import Engine

__all__ = ["ReopeningExecutor"]


class ReopeningExecutor(Executor):
    """Runs commands for one client of the old kind."""

    def suspend(self) -> None:
        """Close everything, like `close`; but the next operation opens it again."""
        retired = Executor(self.options)
        retired._engine, self._engine = self._usable_engine(), None
        retired.close()

    def disconnect(self, *, primary_only: bool = False) -> None:
        """Close connections; requests go on, with new ones. Harmless on a closed executor."""
        engine = self._usable_engine()
        if engine is not None:
            engine.thread.call(partial(engine.drop_connections, primary_only=primary_only))

    def log_in(self, credentials: Credentials) -> None:
        """Log in for all connections to come: existing connections are closed, requests go on.

        Raises:
            InvalidOperation: the client is somebody else.
            OperationFailure: the server refuses the credentials; nothing has changed.
        """
        self._refuse_another(credentials)
        engine = self.open()
        engine.thread.call(engine.verify_credentials, credentials)
        engine.thread.call(self._switch_credentials, engine, credentials)

    def log_out(self, source: str) -> None:
        """Log out for all connections to come, if the client was a user of this database."""
        known = self.options.credentials
        if known is not None and known.source == source:
            engine = self.open()
            engine.thread.call(self._switch_credentials, engine, None)

    def _refuse_another(self, credentials: Credentials) -> None:
        known = self.options.credentials
        if known is not None and known != credentials:
            raise InvalidOperation(
                f"the client is logged in as {known.username!r} of {known.source!r}: "
                "log out first, or use another client"
            )

    def _switch_credentials(self, engine: Engine, credentials: Credentials | None) -> None:
        """Change who the client is. Hub side, and without a switch: of two that try one wins."""
        if credentials is not None:
            self._refuse_another(credentials)
        if credentials != self.options.credentials:
            self.options = replace(self.options, credentials=credentials)
            engine.set_credentials(credentials)
            engine.drop_connections()

    def request_checks(self) -> None:
        """Have every known server checked soon; opens the client."""
        engine = self.open()
        engine.thread.call(_request_checks, engine)


def _request_checks(engine: Engine) -> None:
    for server in engine.topology.servers.values():
        server.request_check()
