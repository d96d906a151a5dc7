"""What an attempt has come to that was made before there was an `Operation`, for it to go on with.

Hub side only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.server import Server

__all__ = ["FirstAttempt"]


@dataclass(slots=True)
class FirstAttempt:
    """An attempt whose connection is still checked out, and of whose outcome nothing is judged."""

    server: Server
    connection: Connection | None
    """None if none could be had. Otherwise the operation counts as one of the server's."""
    session: SessionState | None
    txn_number: int | None
    request_id: int
    document: Document | None
    """The server's reply, whatever it says."""
    error: BaseException | None
    """Why there is no reply, or why it was not read to its end."""

    def checked_out(self) -> Connection:
        """Return the connection.

        Raises:
            BaseException: it could not be had.
        """
        if self.connection is None:
            self._fail()
        assert self.connection is not None
        return self.connection

    def reply(self) -> Document:
        """Return the server's reply.

        Raises:
            BaseException: there is none.
        """
        self._fail()
        assert self.document is not None
        return self.document

    def _fail(self) -> None:
        # It leads to this object again, by its traceback.
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                error = None
