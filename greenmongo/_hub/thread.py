"""The hub thread: one native thread running one gevent hub, unpatched, for everybody.

Life: `acquire()` of `_hub.process` leases the process's hub thread and starts it if need be; the
thread stops when the last lease is given back, or when it dies of a bug. Then every call still
waiting gets `HubClosed`; the next `acquire()` starts a new thread.

Functions are marked by where they may be called: hub side, caller side, any side.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Waiter, getcurrent

from greenmongo._hub.call import Call
from greenmongo._hub.errors import CallAbandoned, HubClosed, HubStartError, blocks_in_callback
from greenmongo._hub.inbox import Inbox
from greenmongo._hub.late_timer import install_hub
from greenmongo._hub.native import allocate_lock, get_ident, start_new_thread
from greenmongo._hub.offload import end_computing
from greenmongo._hub.outbox import Outbox
from greenmongo._hub.process_state import PROCESS
from greenmongo._hub.standby import Standby
from greenmongo._hub.waiter import run_and_wait
from greenmongo._hub.watchdog import Watchdog
from greenmongo._hub.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent._types import _Loop
    from gevent.hub import Hub

    from greenmongo._hub.context import Context

__all__ = ["HubThread"]

STOP_GRACE = 2.0
"""Seconds that running calls get to unwind when the hub stops."""


class HubThread:
    """A native thread with a gevent hub that runs calls on worker greenlets.

    Raises:
        HubStartError: there is no descriptor, thread or memory left for it.
    """

    hub: Hub
    loop: _Loop
    inbox: Inbox
    outbox: Outbox
    workers: Workers
    watchdog: Watchdog

    def __init__(self) -> None:
        self.ident = 0
        """The native thread's number while it runs in this process, otherwise 0."""
        self.generation = PROCESS.generation
        self.is_usable = True
        """Whether calls can still be submitted from this process."""
        self.standby: Standby | None = None
        """From the moment on at which the process ends."""
        # No global name later on: it may be needed while the interpreter takes its modules apart.
        self._getpid = os.getpid
        self._is_finalizing = sys.is_finalizing
        self._pid = os.getpid()
        self._leases: list[None] = []
        """One for each. The hub, which takes some, needs no lock for it: whoever holds that one may
        have been interrupted by a signal handler that waits for the hub."""
        self._started = allocate_lock()
        self._started.acquire()
        self._exited = allocate_lock()
        self._exited.acquire()
        self._stop_requested: Waiter[None] | None = None
        self._on_stop: list[Callable[[], object]] = []
        self._on_exit: list[Callable[[], object]] = []
        self._problem: BaseException | None = None
        """Why it could not start."""
        try:
            start_new_thread(self._main, ())
        except (RuntimeError, MemoryError) as error:
            raise _not_started(error) from error
        self._started.acquire()
        if self._problem is not None:
            raise _not_started(self._problem) from self._problem

    def __repr__(self) -> str:
        state = "running" if self.is_usable else "over"
        return f"<greenmongo-hub-{self.ident} {state}, {len(self._leases)} leases>"

    # ---- any side -------------------------------------------------------------------------

    def submit(self, job: Callable[[], object]) -> None:
        """Have `job()` called on the hub; it must not block or raise.

        While the interpreter exits, the hub takes those of the thread in which it does. The job of
        a daemon thread is dropped: nobody can use its result any more, and an error would only be
        printed.

        Raises:
            HubClosed: the hub has stopped, or belongs to the parent process.
        """
        if self.generation != PROCESS.generation:
            raise HubClosed("the hub thread belongs to the parent process")
        try:
            self.inbox.put(job)
        except HubClosed:
            if self._submit_at_exit(job):
                return
            if PROCESS.exiting_thread in {None, get_ident()}:
                raise

    def try_submit(self, job: Callable[[], object]) -> bool:
        """Submit a job that is moot once the hub has stopped; tell whether it was taken."""
        # Not only the generation: a forked child frees what its missing threads had before it
        # counts as forked, and the inbox may be locked without an end there.
        if not self.is_usable or self._getpid() != self._pid:
            return False
        try:
            self.inbox.put(job)
        except HubClosed:
            # Nobody waits for it; and the next line may be the process's last.
            return self._submit_at_exit(job) and self.wait_at_exit()
        return True

    def _submit_at_exit(self, job: Callable[[], object]) -> bool:
        """Wake the hub for a job; False if it must not be, or is not there."""
        if self.standby is None or self._is_finalizing() or PROCESS.exiting_thread != get_ident():
            return False
        self.standby.submit(job)
        return True

    def is_current(self) -> bool:
        """Tell whether the caller is on this hub thread. Any side."""
        return get_ident() == self.ident and self.generation == PROCESS.generation

    def must_cross(self, fn: Callable[..., Any]) -> bool:
        """Tell whether the caller, who wants to run `fn`, is not on the hub thread. Any side.

        Raises:
            MisuseError: the caller is a callback of the hub, where nothing may block.
        """
        if not self.is_current():
            return True
        if getcurrent() is self.hub:
            raise blocks_in_callback(fn, "the driver's own hub")
        return False

    def call(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn` on the hub thread and wait for its result: directly if this is it. Any side."""
        if self.must_cross(fn):
            return run_and_wait(self, partial(fn, *args, **kwargs), None)
        return fn(*args, **kwargs)

    def call_as(
        self, context: Context | None, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Run `fn` like `call`, on behalf of `context` unless this is the hub thread already."""
        if self.must_cross(fn):
            return run_and_wait(self, partial(fn, *args, **kwargs), context)
        return fn(*args, **kwargs)

    def lease(self) -> None:
        """Take one more lease of a thread that somebody has one of. Hub side.

        Raises:
            HubClosed: nobody has any more, so it is about to stop.
        """
        if not self._leases:
            raise HubClosed("the hub thread has stopped")
        self._leases.append(None)

    def release(self) -> None:
        """Give a lease back; the last one stops the thread. Any side."""
        with PROCESS.lock:
            self._leases.pop()
            # At exit there is always one left.
            is_last = not self._leases and self.generation == PROCESS.generation
            if is_last and PROCESS.current is self:
                PROCESS.current = None
        if is_last:
            self.try_submit(self._stop_if_unused)

    def stop_and_join(self, timeout: float = STOP_GRACE + 1.0) -> bool:
        """Stop the thread and wait until it has ended; True if it did in time. Any other thread."""
        self.try_submit(self._stop)
        ended = self._exited.acquire(True, timeout)
        if ended:
            self._exited.release()
        return ended

    def stand_by(self) -> bool:
        """Stand still because the process ends; True if it does in time. Any other thread.

        The calling thread may still call: it wakes the hub, which stands still again behind it.
        """
        self._leases.append(None)
        self.watchdog.keep_still()
        self.standby = Standby(self.workers, self.outbox, self._interrupt)
        self.try_submit(self._stop)
        return self.wait_at_exit()

    def wait_at_exit(self) -> bool:
        """Wait until the hub stands still, in the thread in which the process ends; True if so."""
        if self.standby is None or self._is_finalizing() or PROCESS.exiting_thread != get_ident():
            return False
        return self.standby.wait(STOP_GRACE + 1.0)

    def _interrupt(self) -> None:
        """Throw what computes on the hub out: a hub at work crashes an interpreter that ends.

        What is in a system call does not notice; it does not come back in time either.
        """
        # The documented way to throw something into a thread has no other face. Seldom needed.
        from ctypes import c_ulong, py_object, pythonapi

        pythonapi.PyThreadState_SetAsyncExc(c_ulong(self.ident), py_object(CallAbandoned))

    # ---- hub side -------------------------------------------------------------------------

    def on_stop(self, action: Callable[[], object]) -> None:
        """Have `action()` called, once, when the hub is about to stop."""
        self._on_stop.append(action)

    def on_exit(self, action: Callable[[], object]) -> None:
        """Have `action()`, which may wait, called when the process ends and the hub goes on."""
        self._on_exit.append(action)

    def forget_on_exit(self, action: Callable[[], object]) -> None:
        """Undo `on_exit`."""
        if action in self._on_exit:
            self._on_exit.remove(action)

    def forget_on_stop(self, action: Callable[[], object]) -> None:
        """Undo `on_stop`."""
        if action in self._on_stop:
            self._on_stop.remove(action)

    def _stop_if_unused(self) -> None:
        if not self._leases:
            self._stop()

    def _stop(self) -> None:
        waiter, self._stop_requested = self._stop_requested, None
        if waiter is not None:
            waiter.switch(None)

    def _main(self) -> None:
        self.ident = get_ident()
        try:
            waiter = self._begin()
        except BaseException as error:
            self._problem = error
            self.is_usable = False
            hub = get_hub_if_exists()
            if hub is not None:
                hub.destroy(destroy_loop=True)
            self.ident = 0
            self._exited.release()
            self._started.release()
            return
        self._started.release()
        try:
            waiter.get()
        except BaseException as error:
            # Not `_report`, which for the gravest errors would raise them here once more.
            self._print(error)
        else:
            if self.standby is not None:
                self._serve_at_exit(self.standby)
        finally:
            self._shut_down()

    def _begin(self) -> Waiter[None]:
        """Make what the thread needs; return what it waits for."""
        self.hub = hub = install_hub()
        hub.name = f"greenmongo-hub-{self.ident}"
        self.loop = hub.loop
        self.inbox = Inbox(hub.loop, self._report)
        self.outbox = Outbox(hub.loop)
        self.workers = Workers(hub)
        self.watchdog = Watchdog(hub, self.outbox, self.try_submit)
        waiter: Waiter[None] = Waiter(hub)
        self._stop_requested = waiter
        return waiter

    def _serve_at_exit(self, standby: Standby) -> None:
        self.inbox.close()
        self._unwind_workers(is_exiting=True)
        self.workers.is_exiting = False
        for action in list(self._on_exit):
            try:
                action()
            except BaseException as error:
                self._print(error)
        self.watchdog.stop(STOP_GRACE)
        run_callback: Any = self.loop.run_callback
        standby.serve(run_callback)

    def _shut_down(self) -> None:
        with PROCESS.lock:
            self.is_usable = False
            if PROCESS.current is self:
                PROCESS.current = None
        try:
            is_exiting = PROCESS.exiting_thread is not None
            left = self.inbox.close()
            if not is_exiting:
                _refuse(left)
            self._unwind_workers(is_exiting)
            # Only now: calls under way must not take the closing of their sockets for an error.
            for action in list(self._on_stop):
                try:
                    action()
                except BaseException as error:
                    self._print(error)
            self.watchdog.stop(STOP_GRACE)
            self.outbox.close()
            end_computing(self.hub)
            self.hub.destroy(destroy_loop=True)
        finally:
            # The system may give this number to a thread that starts from now on.
            self.ident = 0
            self._exited.release()

    def _unwind_workers(self, is_exiting: bool) -> None:
        # The thread's main greenlet cannot throw into a worker that would then switch to the
        # hub and never come back here, so the hub does it, in its own time.
        # Before anybody else runs: some worker may go on, and find out that the hub is no more.
        self.workers.is_exiting = is_exiting
        for worker in list(self.workers.busy):
            call = worker.call
            if call is not None:
                self.loop.run_callback(call.leave if is_exiting else call.stop)
        deadline = monotonic() + STOP_GRACE
        while self.workers.busy and monotonic() < deadline:
            gevent.sleep(0.001)
        self.loop.run_callback(self.workers.dismiss)
        gevent.sleep(0)

    def _report(self, error: BaseException) -> None:
        self.hub.handle_error(self, type(error), error, error.__traceback__)

    def _print(self, error: BaseException) -> None:
        self.hub.print_exception(self, type(error), error, error.__traceback__)


def _not_started(error: BaseException) -> HubStartError:
    text = str(error) or type(error).__name__
    if "interpreter shutdown" in text:
        # Since Python 3.12 no thread can be started once the process begins to end.
        text += "; use the client before the process ends, and do not close it"
    return HubStartError(f"the driver's hub thread cannot start: {text}")


def _refuse(jobs: list[Callable[[], object]]) -> None:
    """Answer the calls among jobs that will not run."""
    for job in jobs:
        call = getattr(job, "__self__", None)
        if isinstance(call, Call):
            call.refuse(HubClosed("the hub thread stopped before the call began"))
