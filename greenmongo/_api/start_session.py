"""What a client does with sessions: it starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from greenmongo._api.client_session import ClientSession
from greenmongo._core.sessions.options import SessionOptions, TransactionOptions

if TYPE_CHECKING:
    from greenmongo._api.client import MongoClient
    from greenmongo._net.executor import Executor

__all__ = ["SessionStarter"]


class SessionStarter:
    """A client that starts sessions."""

    _executor: Executor

    def start_session(
        self,
        causal_consistency: bool | None = None,
        default_transaction_options: TransactionOptions | None = None,
        snapshot: bool | None = False,
    ) -> ClientSession:
        """Start a session. It may only be used with this client; nothing is sent.

        Args:
            causal_consistency: reads see what was read and written before in the session; that
                is so unless it is false, or `snapshot` true.
            default_transaction_options: for transactions that are started without some.
            snapshot: all reads are as of the time of the first.

        Raises:
            ConfigurationError: the options exclude each other.
        """
        options = SessionOptions(causal_consistency, default_transaction_options, snapshot)
        return ClientSession(cast("MongoClient[Any]", self), self._executor, options)
