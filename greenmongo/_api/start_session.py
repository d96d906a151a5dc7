"""What a client does with sessions: it starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from greenmongo._api.client_session import ClientSession
from greenmongo._core.deadline import seconds_of
from greenmongo._core.sessions.options import SessionOptions, TransactionOptions

if TYPE_CHECKING:
    from bson.timestamp import Timestamp

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
        *,
        snapshot_time: Timestamp | None = None,
        default_timeout_ms: float | None = None,
    ) -> ClientSession:
        """Start a session. It may only be used with this client; nothing is sent.

        Args:
            causal_consistency: reads see what was read and written before in the session; that
                is so unless it is false, or `snapshot` true.
            default_transaction_options: for transactions that are started without some.
            snapshot: all reads are as of the time of the first.
            snapshot_time: with `snapshot`, they are as of this time.
            default_timeout_ms: the milliseconds that it has to commit and to abort a transaction,
                to end, and for all of `with_transaction`; 0 is for ever. Without it they are the
                client's timeoutMS.

        Raises:
            ConfigurationError: the options exclude each other.
            TypeError, ValueError: `default_timeout_ms` is no time.
        """
        options = SessionOptions(causal_consistency, default_transaction_options, snapshot)
        seconds: float | None = None
        if default_timeout_ms is not None:
            seconds = seconds_of("default_timeout_ms", default_timeout_ms)
        client = cast("MongoClient[Any]", self)
        return ClientSession(
            client, self._executor, options, snapshot_time=snapshot_time, timeout=seconds
        )
