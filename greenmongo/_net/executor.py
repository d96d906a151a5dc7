"""The seam between the public classes and the hub thread: `execute` is where callers cross.

Any thread, any greenlet may call. On the hub thread a call is a plain call. The engine, which
lives on the hub thread, is opened on first use and again in a forked child.
"""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from gevent.hub import getcurrent
from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener

from greenmongo._core.bulk.batches import WriteLimits
from greenmongo._core.command import Reply
from greenmongo._core.types import Address
from greenmongo._hub.context import Context, current_context
from greenmongo._hub.errors import HubClosed
from greenmongo._hub.process import acquire
from greenmongo._hub.process_state import process_generation
from greenmongo._hub.run_once import RunOnce
from greenmongo._hub.thread import HubThread
from greenmongo._hub.upcall import may_wait_here
from greenmongo._hub.workers import Worker
from greenmongo._net.bound_session import BOUND_SESSION
from greenmongo._net.caller_context import carries_context
from greenmongo._net.closed_client import used_after_close
from greenmongo._net.connection import next_request_id
from greenmongo._net.cursor_lease import CursorLease
from greenmongo._net.dns_records import import_dnspython
from greenmongo._net.engine import Engine
from greenmongo._net.metadata import ClientMetadata
from greenmongo._net.observers.publisher import Publisher
from greenmongo._net.observers.tracing import new_tracing
from greenmongo._net.registered_listeners import registered_listeners
from greenmongo._net.session_executor import SessionExecutor
from greenmongo._net.socks import import_socksio
from greenmongo._net.statistics import ClientStatistics, gather_statistics
from greenmongo._net.time_limit import as_one_operation, timeout_of_caller
from greenmongo._net.topology import initial_description

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from greenmongo._core.command import Command
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.sdam.topology_description import TopologyDescription
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import ReadMode

__all__ = ["Executor"]

LISTENERS_TIMEOUT = 1.0
"""Seconds to wait, when a client is closed, for listeners that still have to hear of something."""

LATE_WRITES_TIMEOUT = 2.0
"""Seconds to wait, when a client is closed, for what those write who have left: finalisers too."""

NOWHERE: Address = ("", 0)
"""Whose reply it is that has not come yet."""

_SIZES = attrgetter("max_bson_size", "max_message_size", "max_write_batch_size")
"""Of a server's description, in the order of `WriteLimits`."""


class Executor(SessionExecutor):
    """Runs commands for one client, from anywhere."""

    def __init__(self, options: ClientOptions) -> None:
        # First of all: `__del__` is called even if what follows raises.
        self._engine: Engine | None = None
        self._is_closed = False
        self.metadata = ClientMetadata(options)
        """What handshakes tell of the client."""
        listeners = (*registered_listeners(), *options.listeners)
        self.options = replace(options, tell_metadata=self.metadata.copy, listeners=listeners)
        self.tracing = new_tracing(options.tracing)
        self.wants_context = self.tracing is not None or any(
            isinstance(x, CommandListener) for x in listeners
        )
        """Whether somebody who observes commands wants to see the callers' context variables."""
        if options.srv is not None:
            # Here, because the constructor never runs on the hub.
            import_dnspython()
        if options.proxy is not None:
            import_socksio()

    def __del__(self) -> None:
        _let_go(self._engine)

    # ---- operations -------------------------------------------------------------------------

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        """Execute a command and wait for its reply.

        Raises:
            PyMongoError: as PyMongo would.
            MisuseError: the client is closed.
            ValueError: `session` is no session.
            InvalidOperation: it has ended, or is one of another client's.
        """
        explicit = session
        if session is not None:
            self._require_own(session)
        elif (bound := BOUND_SESSION.get()) is not None and not isinstance(
            command.lease, CursorLease
        ):
            self._require_own(bound)
            session = bound
        engine = self._engine
        if engine is None or not engine.thread.is_usable:
            engine = self.open()
        thread = engine.thread
        worker = getcurrent()
        if (
            isinstance(worker, Worker)
            and worker.workers is thread.workers
            and not worker.is_driving
        ):
            # What a task awaits runs here already, and may wait. As below, but at once.
            return engine.execute(command, session)
        if thread.is_current():
            if may_wait_here():
                return engine.execute(command, session)
            # Not in the session that is bound here, which is another's.
            return Reply(engine.late_writes.add(command, explicit), NOWHERE)
        context = self._context_if_needed(engine)
        if self.wants_context or carries_context():
            run = copy_context().run
            reply: Reply = thread.call_as(context, run, engine.execute, command, session)
        else:
            reply = thread.call_as(context, engine.execute, command, session)
        return reply

    def _context_if_needed(self, engine: Engine) -> Context | None:
        # A context's own holder was made by a call of its own that has returned, so an empty table
        # means that this caller is in no request.
        if engine.table.holders or self.options.auto_start_request:
            return self.identify()
        return None

    def as_one_operation(self) -> AbstractContextManager[None]:
        """Have the commands of a block share the time that one operation may take."""
        return as_one_operation(self.options.timeout)

    def timeout_of_caller(self) -> float | None:
        """Return the seconds that the caller's operations are given; None: no timeout."""
        return timeout_of_caller(self.options.timeout)

    # ---- requests ---------------------------------------------------------------------------

    def identify(self) -> Context:
        """Return the context that a request of the caller belongs to."""
        return current_context(use_greenlets=self.options.use_greenlets)

    def start_request(self, context: Context, *, strict: bool = False) -> None:
        """Start a request for `context`, or nest one deeper."""
        engine = self.open()
        table, thread = engine.table, engine.thread
        start = RunOnce(partial(table.start, context, strict=strict))
        try:
            thread.call(start)
        except BaseException:
            # Killed or timed out: nobody else would ever end what may have begun. This comes
            # behind the call, which by then has run or never will.
            thread.try_submit(lambda: start.has_run and table.end(context))
            raise

    def end_request(self, context: Context) -> int:
        """End the request of `context`, or come one level up; return the depth left."""
        if not self.request_depth(context):
            return 0
        engine = self.open()
        end = RunOnce(partial(engine.table.end, context))
        try:
            return int(engine.thread.call(end) or 0)
        except BaseException:
            engine.thread.try_submit(end)
            raise

    def request_depth(self, context: Context) -> int:
        """Return how deep in a request `context` is. Never crosses, connects or blocks."""
        # In a forked child that has not used the client yet, it is the parent's table.
        engine = self._engine
        return 0 if engine is None else engine.table.depth(context)

    def request_connection_id(self, context: Context) -> int | None:
        """Return the server's id of the connection the request of `context` is bound to."""
        engine = self._usable_engine()
        return None if engine is None else engine.table.connection_id(context)

    # ---- what is known of the deployment ----------------------------------------------------

    @property
    def description(self) -> TopologyDescription:
        """What is known of the deployment now; the seeds, before the client was used."""
        engine = self._engine
        if engine is not None:
            return engine.topology.description
        return initial_description(self.options)

    @property
    def current_options(self) -> ClientOptions:
        """The options, with what the DNS has added to them by now."""
        engine = self._engine
        return self.options if engine is None else engine.options

    def limits(self) -> WriteLimits:
        """Return what the deployment's servers accept in one write."""
        # Not `self.description`: every bulk write comes here.
        engine = self._engine
        writable = () if engine is None else engine.topology.description.writable
        if not writable:
            return WriteLimits()
        # Of several mongos the smallest of each: nobody knows which one will be asked.
        return WriteLimits(*map(min, zip(*map(_SIZES, writable), strict=True)))

    new_operation_id = staticmethod(next_request_id)
    """Return a number that ties the commands of one operation together, for listeners."""

    def select_address(self, preference: ReadMode | None) -> Address:
        """Wait for a server that suits and return its address.

        Raises:
            ServerSelectionTimeoutError: none appeared in time.
        """
        engine = self.open()
        timeout = self.options.server_selection_timeout
        address: Address = engine.thread.call(
            lambda: engine.topology.select(preference, timeout).address
        )
        return address

    # ---- cursors ----------------------------------------------------------------------------

    def kill_cursor_later(self, command: Command) -> None:
        """Run a cursor's killCursors, some time soon. Any side; never blocks or raises."""
        engine = self._engine
        if engine is None or not engine.thread.is_usable or self._is_closed:
            return
        if command.address is not None:
            engine.thread.try_submit(partial(engine.execute_later, command))

    def statistics(self) -> ClientStatistics:
        """Count connections, requests and what else there is now."""
        engine = self.open()
        statistics: ClientStatistics = engine.thread.call(gather_statistics, engine)
        return statistics

    # ---- life -------------------------------------------------------------------------------

    @property
    def thread(self) -> HubThread:
        """The hub thread this client lives on; opens the client."""
        engine = self._engine
        if engine is None or not engine.thread.is_usable:
            engine = self.open()
        return engine.thread

    @property
    def is_open(self) -> bool:
        """Whether there is an engine, in this process."""
        return self._usable_engine() is not None

    def open(self) -> Engine:
        """Return the engine, starting it if need be.

        Raises:
            MisuseError: the client is closed.
        """
        engine = self._usable_engine()
        if engine is not None:
            return engine
        if self._is_closed:
            raise used_after_close()
        thread = acquire()
        try:
            if thread.is_current():
                # In a finaliser, perhaps, which could not wait. It does not wait.
                return self._open_on_hub(thread)
            opened: Engine = thread.call(self._open_on_hub, thread)
            return opened
        finally:
            # The engine has a lease of its own. A caller that is killed in here could not know.
            thread.release()

    def close(self) -> None:
        """End every request and greenlet and close every socket of this client. Idempotent."""
        engine = self._usable_engine()
        self._is_closed = True
        try:
            if engine is not None:
                _close_and_wait(engine)
        except HubClosed:
            # Somebody else closed the last client at the same moment; the engine ends with its hub.
            return
        except BaseException:
            _let_go(engine)
            raise
        finally:
            self._engine = None

    def _usable_engine(self) -> Engine | None:
        engine = self._engine
        return engine if engine is not None and engine.thread.is_usable else None

    def _open_on_hub(self, thread: HubThread) -> Engine:
        """Make the engine, which takes a lease of the thread.

        No lock: the hub thread does one thing after another and nothing here waits.
        """
        engine = self._usable_engine()
        if engine is not None:
            return engine
        parent = self._engine
        if parent is not None and parent.thread.generation == process_generation():
            # Not forked: its hub thread has died. It is, perhaps still, closing all that it had
            # by itself, and its requests are over.
            parent = None
        if parent is not None:
            parent.abandon_after_fork()
        thread.lease()
        publisher = Publisher(self.options.listeners)
        engine = Engine(thread, self.options, publisher, self.metadata, self.tracing)
        if parent is not None:
            engine.table.inherit(parent.table)
        self._engine = engine
        return engine


def _close_and_wait(engine: Engine) -> None:
    thread = engine.thread
    # Whoever closes the last client may be on the hub thread, which must not stop under the wait.
    thread.lease()
    try:
        thread.call(_close, engine)
        # As with PyMongo, listeners have heard of everything by then, unless one blocks.
        engine.publisher.wait(LISTENERS_TIMEOUT)
    finally:
        thread.release()


def _close(engine: Engine) -> None:
    try:
        engine.afterwards.wait(LATE_WRITES_TIMEOUT)
        engine.late_writes.wait(LATE_WRITES_TIMEOUT)
        engine.end_sessions()
    except PyMongoError:
        # A courtesy to the server, which forgets them by itself in half an hour.
        return
    finally:
        engine.close()


def _let_go(engine: Engine | None) -> None:
    """Close the engine of a client that nobody waits for or refers to any more. Any side."""
    if engine is not None:
        engine.thread.try_submit(engine.let_go)
