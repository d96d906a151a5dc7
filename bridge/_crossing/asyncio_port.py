"""asyncio: a call is what its task awaits, and the task goes on as soon as it has the outcome.

A task accepts any object that has the few attributes of a future which it asks for itself: it says
what wakes it (`add_done_callback`), cancels what it waits for (`cancel`), and when it is woken asks
whether it was cancelled (`result`). A call has them. So no future is made for it, and the task is
woken where the outcomes are handed out, not by one more callback of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import copy_context
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any
from weakref import ref

from bridge._crossing.async_call import (
    MAX_PER_CALLBACK,
    AsyncCall,
    LoopPort,
    give_up_notices,
    on_behalf_of,
    sendable,
)
from bridge._crossing.gil_yielder import GilYielder
from bridge._crossing.loop_waker import new_loop_waker
from greenmongo.lowlevel import NOTICE, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context as Variables
    from typing import NoReturn

    from bridge._crossing.async_call import Results
    from greenmongo.lowlevel import Context, HubThread

__all__ = ["AsyncioPort"]


class _AsyncioCall(AsyncCall):
    """A call that passes for a future, for the one task that awaits it."""

    __slots__ = ("_asyncio_future_blocking", "_loop", "result", "variables_of_task", "wake")

    port: AsyncioPort

    def __init__(
        self,
        port: AsyncioPort,
        fn: Callable[[], Any],
        context: Context | None = None,
        variables: Variables | None = None,
    ) -> None:
        Call.__init__(self, port.thread.workers, fn, context, variables)
        self.port, self.lane, self.answer = port, None, None
        self._loop = port.loop
        self.wake: Callable[[Any], object] | None = None
        """What wakes the task, while it waits; to be called in `variables_of_task`."""
        self.result: Callable[[], None] = NoneType
        """Called by the task that was woken: raises if it was cancelled."""

    def __await__(self) -> Generator[Any, Any, Any]:
        port = self.port
        yielder = port.yielder
        yielder.under_way += 1
        if yielder.looks:
            yielder.look()
        try:
            while True:
                self._asyncio_future_blocking = True
                yield self
                # In this order: the last notices came before the outcome.
                answer = self.answer
                if self.notices:
                    self.run_notices()
                if answer is not None:
                    break
        except BaseException:
            # Cancelled, thrown away, or what a notice raised to end the task.
            if self.answer is None or self.notices:
                self.abandon(port.thread)
            raise
        finally:
            yielder.under_way -= 1
            if port.thread.standby is not None:
                # The process ends; the hub must stand still when it does.
                port.thread.wait_at_exit()
        # The task goes on within the hand-out, which refers to the call.
        self.answer = self.lane = self.context = self.variables = None
        self.fn = _nothing
        value, error = answer
        if error is None:
            return value
        try:
            raise sendable(error)
        finally:
            # The exception's traceback holds this frame; do not hold the exception in turn.
            del self, answer, error

    # ---- what a task wants of a future ------------------------------------------------------

    def add_done_callback(
        self, wake: Callable[[Any], object], *, context: Variables | None = None
    ) -> None:
        """Have `wake(self)` called, once, when the task has something to look at."""
        if self.wake is not None:
            raise asyncio.InvalidStateError("only the task that made a call waits for it")
        self.wake = wake
        self.variables_of_task = copy_context() if context is None else context

    def done(self) -> bool:
        """Return whether the task is to go on, and only has not done so yet."""
        return self.answer is not None or bool(self.notices) or self.cancelled()

    def cancelled(self) -> bool:
        """Return whether the task is to go on with a cancellation."""
        return self.result is not NoneType

    def cancel(self, msg: object = None) -> bool:
        """Wake the task to be cancelled; False if it is being woken already."""
        wake, self.wake = self.wake, None
        if wake is None:
            return False
        self.result = partial(_raise_cancelled, msg)
        # Not at once: another task is running.
        self._loop.call_soon(wake, self, context=self.variables_of_task)
        return True


def _raise_cancelled(message: object) -> NoReturn:
    raise asyncio.CancelledError() if message is None else asyncio.CancelledError(message)


def _nothing() -> None:
    """The function of a call that is over: what it was holds the arguments."""


class AsyncioPort(LoopPort):
    """The way back to the tasks of one asyncio loop."""

    call_type = _AsyncioCall

    def __init__(self, thread: HubThread, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(thread)
        self.loop = loop
        self.yielder = GilYielder(loop, thread.outbox.wait_for_iteration)
        self._arrived: deque[tuple[Any, Any, BaseException | None]] = deque()
        self._is_woken = False
        reference = ref(self)

        def on_wake() -> None:
            # The loop, which keeps this, must not keep the port of a thread that it has left.
            port = reference()
            if port is not None:
                port._hand_out()

        self.waker = new_loop_waker(loop, on_wake)

    def is_alive(self) -> bool:
        return not self.loop.is_closed()

    def serves(self, loop: object) -> bool:
        return self.loop is loop

    def current_task(self) -> Any:
        return on_behalf_of.get() or asyncio.current_task()

    def watch(self, task: Any, on_end: Callable[[object], object]) -> None:
        task.add_done_callback(on_end)

    def flush(self, results: Results) -> None:
        if self.loop.is_closed():
            # Its tasks are gone and nobody waits.
            self._arrived.clear()
            give_up_notices(results)
            return
        self._arrived.extend(results)
        if not self._is_woken:
            self._is_woken = True
            self.waker.wake()

    def _hand_out(self) -> None:
        """Give tasks their outcomes and run their next steps; many of them in several turns."""
        # In this order: what comes in between wakes the loop again.
        self._is_woken = False
        loop, arrived = self.loop, self._arrived
        is_debugging = loop.get_debug()
        try:
            for _ in range(min(len(arrived), MAX_PER_CALLBACK)):
                if not arrived:
                    # A step has run the loop itself.
                    return
                call, value, error = arrived.popleft()
                if value is not NOTICE:
                    call.answer = (value, error)
                # From here on it is the task's alone.
                del value, error
                wake, call.wake = call.wake, None
                if wake is None:
                    # It is being cancelled.
                    continue
                if is_debugging:
                    # By a callback of its own, so that a slow step is reported as the task's.
                    loop.call_soon(wake, call, context=call.variables_of_task)
                else:
                    call.variables_of_task.run(wake, call)
        finally:
            # Also when a step ends with what asyncio lets through: KeyboardInterrupt, SystemExit.
            if arrived and not self._is_woken:
                self._is_woken = True
                loop.call_soon(self._hand_out)
