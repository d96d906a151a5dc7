"""Observes operations and commands for OpenTelemetry: makes spans of them.

Tracers, samplers and processors are the user's, so spans start and end in the caller's place, where
the current span is the caller's, too. Their times are taken where things happen. Nothing is
imported from OpenTelemetry, and nothing is done, unless a client traces.
"""

from __future__ import annotations

import logging
import os
import traceback
from functools import partial
from time import time_ns
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

from greenmongo._core.tracing import (
    SYSTEM,
    OperationFacts,
    TracingOptions,
    command_attributes,
    cursor_id_of,
    facts_of,
    failure_attributes,
    reply_cursor_id,
    tracing_options,
)
from greenmongo._hub.upcall import notify_caller
from greenmongo._net.environment import environment_facts
from greenmongo._net.observers.publisher import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenmongo._core.command import Command, Reply
    from greenmongo._core.events import CommandFacts
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._core.types import Document

__all__ = ["CommandTrace", "OperationTrace", "Tracing", "TransactionTrace", "new_tracing"]

_logger = logging.getLogger("greenmongo.tracing")


def new_tracing(given: Mapping[str, Any] | None) -> Tracing | None:
    """Return what traces the operations of a client; None if nothing does.

    Args:
        given: the client's `tracing` option.

    Raises:
        ConfigurationError: it asks for tracing, and OpenTelemetry is not installed.
    """
    options = tracing_options(given, os.environ)
    if options is None:
        return None
    try:
        return Tracing(options)
    except ImportError as error:
        text = "tracing needs OpenTelemetry: pip install 'greenmongo[opentelemetry]'"
        if options.is_asked_for:
            raise ConfigurationError(text) from error
        _logger.warning(text)
        return None


class Tracing:
    """Makes the spans of one client."""

    def __init__(self, options: TracingOptions) -> None:
        from opentelemetry import trace
        from opentelemetry.trace import SpanKind, Status, StatusCode

        provider = options.tracer_provider or trace.get_tracer_provider()
        self.tracer: Any = provider.get_tracer("greenmongo", environment_facts().driver_version)
        self.text_length = options.query_text_max_length
        self.kind: Any = SpanKind.CLIENT
        self.within: Callable[[Any], Any] = trace.set_span_in_context
        self._failed: Callable[[str], Any] = partial(Status, StatusCode.ERROR)

    def run(
        self,
        command: Command,
        session: SessionState | None,
        run: Callable[[OperationTrace], Reply],
    ) -> Reply:
        """Run an operation in a span of its own, or in that which it is a part of.

        Args:
            command: what it runs.
            session: the caller's session.
            run: runs it, and has its commands observed within the span.
        """
        if command.trace is not None:
            return run(command.trace)
        operation = self.operation(
            facts_of(command), session, ends_transaction=command.ends is not None
        )
        try:
            reply = run(operation)
        except BaseException as error:
            operation.end(error)
            raise
        operation.end(None, cursor_id_of(command, reply.document))
        return reply

    def operation(
        self,
        facts: OperationFacts,
        session: SessionState | None,
        *,
        at: int | None = None,
        ends_transaction: bool = False,
    ) -> OperationTrace:
        """Start the span of an operation. Any side.

        Args:
            facts: what it says.
            session: the caller's session; in a transaction, the span is within that one's.
            at: when it began, in nanoseconds of the epoch; None: now.
            ends_transaction: it is the operation that ends it.
        """
        transaction = None if session is None else session.transaction
        is_part = transaction is not None and (transaction.is_active or ends_transaction)
        around = transaction.trace if transaction is not None and is_part else None
        return OperationTrace(self, facts, around, time_ns() if at is None else at)

    def transaction(self) -> TransactionTrace:
        """Start the span of a transaction. Any side."""
        return TransactionTrace(self)

    def fail(self, span: Any, attributes: Mapping[str, Any]) -> None:
        """Let a span say that what it stands for has failed. In the caller's place."""
        span.set_attributes(attributes)
        span.set_status(self._failed(attributes["exception.message"]))


class TransactionTrace:
    """The span of a transaction, around those of its operations ("Transactions")."""

    __slots__ = ("_tracing", "span")

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self.span: Any = None
        notify_caller(partial(notify, self._start, time_ns()))

    def _start(self, at: int) -> None:
        self.span = self._tracing.tracer.start_span(
            "transaction", kind=self._tracing.kind, attributes=dict(SYSTEM), start_time=at
        )

    def end(self) -> None:
        """End the span. Any side; idempotent, as far as a commit may be repeated."""
        notify_caller(partial(notify, self._end, time_ns()))

    def _end(self, at: int) -> None:
        if self.span is not None and self.span.is_recording():
            self.span.end(at)


class OperationTrace:
    """The span of one operation. It starts when this is made."""

    __slots__ = ("_around", "_facts", "_tracing", "span")

    def __init__(
        self, tracing: Tracing, facts: OperationFacts, around: TransactionTrace | None, at: int
    ) -> None:
        self._tracing = tracing
        self._facts = facts
        self._around = around
        self.span: Any = None
        notify_caller(partial(notify, self._start, at))

    def _start(self, at: int) -> None:
        tracing, around = self._tracing, self._around
        self.span = tracing.tracer.start_span(
            self._facts.summary,
            # None: within the current span of the application.
            context=None if around is None else tracing.within(around.span),
            kind=tracing.kind,
            attributes=self._facts.attributes(),
            start_time=at,
        )

    def command(self, facts: CommandFacts) -> CommandTrace:
        """Return what makes the span of one of its commands."""
        return CommandTrace(self._tracing, self, facts)

    def end(self, error: BaseException | None, cursor_id: int | None = None) -> None:
        """End the span. Any side.

        Args:
            error: what the operation failed with.
            cursor_id: of the cursor that it has read on or left open.
        """
        notify_caller(partial(notify, self._end, time_ns(), error, cursor_id))

    def _end(self, at: int, error: BaseException | None, cursor_id: int | None) -> None:
        span = self.span
        # Not recorded, or ended before by an error that came on its way out once more.
        if span is None or not span.is_recording():
            return
        if cursor_id is not None:
            span.set_attribute("db.mongodb.cursor_id", cursor_id)
        if error is not None:
            kind = type(error)
            self._tracing.fail(
                span,
                {
                    "exception.type": f"{kind.__module__}.{kind.__qualname__}",
                    "exception.message": str(error),
                    "exception.stacktrace": "".join(traceback.format_exception(error)),
                },
            )
        span.end(at)


class CommandTrace:
    """The span of one command that is sent, and of one more for each retry."""

    __slots__ = ("_began_at", "_facts", "_operation", "_span", "_tracing")

    def __init__(self, tracing: Tracing, operation: OperationTrace, facts: CommandFacts) -> None:
        self._tracing = tracing
        self._operation = operation
        self._facts = facts
        self._span: Any = None
        self._began_at = time_ns()

    def started(self, document: Document) -> None:
        """Start the span."""
        notify(self._start, document)

    def _start(self, document: Document) -> None:
        tracing = self._tracing
        self._span = tracing.tracer.start_span(
            self._facts.name,
            context=tracing.within(self._operation.span),
            kind=tracing.kind,
            attributes=command_attributes(self._facts, document, tracing.text_length),
            start_time=self._began_at,
        )

    def succeeded(self, duration: float, reply: Document) -> None:
        """End the span of a command that the server took as valid."""
        notify(self._end, duration, reply, None)

    def failed(self, duration: float, failure: Document) -> None:
        """End the span of a command that was refused, or not answered."""
        notify(self._end, duration, {}, failure)

    def _end(self, duration: float, reply: Document, failure: Document | None) -> None:
        span = self._span
        if span is None:
            return
        cursor_id = None if self._facts.name == "getMore" else reply_cursor_id(reply)
        if cursor_id is not None:
            span.set_attribute("db.mongodb.cursor_id", cursor_id)
        if failure is not None:
            self._tracing.fail(span, failure_attributes(failure))
        span.end(self._began_at + int(duration * 1e9))
