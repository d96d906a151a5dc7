"""The attempts of one operation that has failed once: whether another follows, when, and where.

Four specifications meet here: Retryable Reads, Retryable Writes, Client Side Operations Timeout
(CSOT), "Retryability", and Client Backpressure, "Overload retry policy".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.command import Retryability
from greenmongo._core.deadline import Deadline
from greenmongo._core.retryable_errors import (
    backoff_after_overload,
    backoff_before_try,
    is_overload,
    may_retry_read,
    may_retry_write,
    was_rejected_unstarted,
)
from greenmongo._core.sdam.kinds import TopologyKind

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

    from greenmongo._core.command import Command
    from greenmongo._core.options import ClientOptions

__all__ = ["RetryPolicy"]

MAX_TRIES = 2
"""Retryable Writes, "Executing Retryable Write Commands", and Retryable Reads, 3c: a command is
retried once; CSOT, "Retryability": with timeoutMS, for as long as that lasts, with 0 for ever."""


class RetryPolicy:
    """Judges the failures of one operation, one after another.

    Args:
        command: what is sent.
        options: the client's.
        deadline: of the operation, None if it has none.
        is_strict: a strict request must not go on with another connection.
        has_timeout: timeoutMS is set, be it to 0, which is no deadline.
    """

    def __init__(
        self,
        command: Command,
        options: ClientOptions,
        deadline: Deadline | None,
        *,
        is_strict: bool,
        has_timeout: bool,
    ) -> None:
        self._command = command
        self._options = options
        self._deadline = deadline
        self._is_strict = is_strict
        self._has_timeout = has_timeout
        self._most_tries: int | None = None if has_timeout else MAX_TRIES
        """None: as often as there is time for."""
        self._failures = 0
        self._unsent_deadline: Deadline | None = None
        """Until when failures before anything was sent are borne."""

    def judge(
        self,
        error: PyMongoError,
        *,
        tries: int,
        was_sent: bool,
        is_numbered: bool,
        now: float,
        jitter: float,
    ) -> float | None:
        """Return the seconds to wait before another attempt, None if none follows.

        Args:
            error: of the last attempt.
            tries: how often the command was sent so far.
            was_sent: the last attempt got that far.
            is_numbered: it has a transaction number.
            now: the time.
            jitter: between 0 and 1, how much of the longest backoff it is to be.
        """
        self._failures += 1
        backoff = 0.0
        if is_overload(error):
            # Client Backpressure, "Interaction with Other Retry Policies": from here on the limit
            # is for all retries, with timeoutMS too, and also for those after other errors.
            self._most_tries = 1 + self._options.max_adaptive_retries
            backoff = backoff_after_overload(self._failures, error, jitter)
            if self._deadline is not None and backoff >= self._deadline.remaining(now):
                return None
        elif self._has_timeout:
            backoff = backoff_before_try(tries + 1)
            if self._deadline is not None:
                backoff = min(backoff, self._deadline.remaining(now))
        if not self._allows(error, tries=tries, is_numbered=is_numbered, now=now):
            return None
        if was_sent:
            self._unsent_deadline = None
            return backoff if self._has_tries_left(tries) else None
        if self._deadline is not None:
            return backoff
        # No command was sent, as the checkout of a connection failed: that is no attempt yet, and
        # none is lost by another. But it must end some time.
        if self._unsent_deadline is None:
            self._unsent_deadline = Deadline.after(self._options.server_selection_timeout, now)
        return None if self._unsent_deadline.has_passed(now) else backoff

    def may_send_again(
        self, error: PyMongoError, *, tries: int, is_numbered: bool, now: float
    ) -> bool:
        """Tell whether a command that was sent would be sent again, did it fail so."""
        return self._has_tries_left(tries) and self._allows(
            error, tries=tries, is_numbered=is_numbered, now=now
        )

    def _has_tries_left(self, tries: int) -> bool:
        return self._most_tries is None or tries < self._most_tries

    def _allows(self, error: PyMongoError, *, tries: int, is_numbered: bool, now: float) -> bool:
        """Tell whether error, command and options allow another attempt, be it the first."""
        if self._is_strict or (self._deadline is not None and self._deadline.has_passed(now)):
            return False
        command, options = self._command, self._options
        if command.retry is Retryability.ALWAYS:
            # Transactions, "Interaction with Retryable Writes": once, even with retryWrites=false.
            return was_rejected_unstarted(error) or may_retry_write(error)
        if command.retry is Retryability.UNKNOWN:
            # Client Backpressure, "Overload retry policy", 2.4: runCommand needs both.
            is_wanted = options.retry_reads and options.retry_writes
        else:
            is_wanted = options.retry_writes if command.is_write else options.retry_reads
        if not is_wanted:
            return False
        if was_rejected_unstarted(error):
            # "Overload retry policy": it goes for all commands, retryable or not.
            return True
        if command.retry is Retryability.WRITE:
            # Retryable Writes, "Executing Retryable Write Commands": once sent, only with a
            # transaction number, or it might be done twice.
            return (is_numbered or not tries) and may_retry_write(error)
        return command.retry is Retryability.READ and may_retry_read(error)

    def goes_elsewhere(self, error: PyMongoError, kind: TopologyKind, *, was_sent: bool) -> bool:
        """Tell whether another server is to be preferred after this failure.

        The server becomes a deprioritized one for the next selection. Retryable Reads, "Selecting
        the server for retry", and Retryable Writes: outside of sharded clusters only after an
        overload, as another member may be one that the read preference likes less. Client
        Backpressure, "Overload retry policy", 4: for a command that was refused, that is an option.

        Args:
            error: of the last attempt.
            kind: of the deployment.
            was_sent: a command was; without, the server refused the connection for it.
        """
        if kind is TopologyKind.SHARDED:
            return True
        return is_overload(error) and (not was_sent or self._options.enable_overload_retargeting)
