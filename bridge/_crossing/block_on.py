"""From blocking code to an event loop: a coroutine runs there, one greenlet or thread waits for it.

    blocking caller                           the loop
    submit ------------------------------->   start: in a task of its own, with the caller's
                                              context variables
    wait <---- value, error, cancelled ----   end
    abandon (killed, timed out) ---------->   cancel

A loop can be closed under its tasks, and then nothing is said any more; so whoever waits looks now
and then whether it still lives.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bridge._crossing.async_call import on_behalf_of
from bridge._crossing.ports import running_loop
from bridge._crossing.process_loop import process_loop
from bridge.errors import LoopClosed
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import new_one_shot

if TYPE_CHECKING:
    from contextvars import Context

    import trio

    from bridge._crossing.ports import Loop

__all__ = ["block_on", "callers_variables"]

T = TypeVar("T")

POLL_INTERVAL = 0.25
"""Seconds between two looks at whether the loop still lives."""

_logger = logging.getLogger("greenmongo.bridge")
_home: ContextVar[Loop | None] = ContextVar("greenmongo_loop", default=None)


def callers_variables() -> Context:
    """Return a copy of the task's context variables, in which `block_on` finds the task's loop."""
    variables = copy_context()
    variables.run(_home.set, running_loop())
    # The tasks that come of it act for themselves.
    variables.run(on_behalf_of.set, None)
    return variables


def block_on(coroutine: Coroutine[Any, Any, T], loop: Loop | None = None) -> T:
    """Run a coroutine on an event loop and wait for it; only the calling greenlet or thread waits.

    The coroutine gets a task of its own, which sees a copy of the caller's context variables.
    Whoever leaves early (killed, `gevent.Timeout`, Ctrl-C, cancelled within `client.run`) cancels
    it, and does not wait for that.

    Args:
        coroutine: what to run.
        loop: asyncio's loop or trio's token, of another thread. If it is left out in a function
            that `run` or `client.run` runs, it is the loop of the task that called `run`.
            Elsewhere, and in greenlets that the function spawns, it is an asyncio loop that the
            process keeps for this, in a thread of its own, from the first such call until it ends.

    Raises:
        MisuseError: the loop is the caller's own, which it would block.
        LoopClosed: the loop was closed before the coroutine had ended.
        concurrent.futures.CancelledError: the coroutine was cancelled.
    """
    if not inspect.iscoroutine(coroutine):
        raise TypeError(f"a coroutine was expected, not {coroutine!r}")
    try:
        call = _new_loop_call(coroutine, loop)
        call.submit()
    except BaseException:
        coroutine.close()
        raise
    result: T = call.wait()
    return result


def _new_loop_call(coroutine: Coroutine[Any, Any, T], loop: Loop | None) -> LoopCall[T]:
    if running_loop() is not None:
        raise MisuseError(
            "block_on() would block the event loop that runs in this thread", "await the coroutine"
        )
    if loop is None:
        loop = _home.get() or process_loop()
    if isinstance(loop, asyncio.AbstractEventLoop):
        return _AsyncioLoopCall(coroutine, loop)
    lowlevel: Any = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is not None and isinstance(loop, lowlevel.TrioToken):
        return _TrioLoopCall(coroutine, loop)
    raise TypeError(f"loop must be a loop of asyncio's or a trio token, not {loop!r}")


class LoopCall(ABC, Generic[T]):
    """A call of a coroutine on a loop: its task there, and the way back."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self.coroutine = coroutine
        self.variables = copy_context()
        self.outcome = new_one_shot("block_on()")
        self.is_abandoned = False

    def __repr__(self) -> str:
        return f"<block_on {self.coroutine!r}>"

    # ---- the blocking caller's side -----------------------------------------------------------

    @abstractmethod
    def submit(self) -> None:
        """Have `start` called on the loop.

        Raises:
            LoopClosed: the loop takes no more.
        """

    @abstractmethod
    def submit_cancel(self) -> None:
        """Have the task cancelled; it does not matter if the loop is closed."""

    @abstractmethod
    def is_loop_closed(self) -> bool:
        """Tell whether the loop will run nothing any more."""

    def wait(self) -> Any:
        """Wait for the coroutine's result."""
        try:
            while not self.outcome.wait(POLL_INTERVAL):
                # Once more, since the end may have come in between.
                if self.is_loop_closed() and not self.outcome.is_set:
                    if inspect.getcoroutinestate(self.coroutine) == inspect.CORO_CREATED:
                        self.coroutine.close()
                    raise LoopClosed("the event loop was closed before the coroutine had ended")
        except BaseException:
            self.is_abandoned = True
            self.submit_cancel()
            raise
        value, error = self.outcome.result()
        if error is None:
            return value
        try:
            raise error
        finally:
            # The traceback holds this frame; the frame must not hold the error.
            del error

    # ---- the loop's side ----------------------------------------------------------------------

    async def run(self) -> None:
        """Run the coroutine and set its outcome."""
        try:
            value = await self.coroutine
        except GeneratorExit:
            self.outcome.set(None, LoopClosed("the event loop threw the coroutine away"))
            raise
        except Exception as error:
            if self.is_abandoned:
                _logger.exception("%r failed, and whoever had waited for it has left", self)
            self.outcome.set(None, error)
        except BaseException as error:
            # Asyncio's and trio's own ways to cancel mean nothing to blocking code.
            is_exit = isinstance(error, (KeyboardInterrupt, SystemExit))
            self.outcome.set(None, error if is_exit else CancelledError())
            raise
        else:
            self.outcome.set(value, None)


class _AsyncioLoopCall(LoopCall[T]):
    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(coroutine)
        self.loop = loop
        self.task: asyncio.Task[None] | None = None

    def submit(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._start, context=self.variables)
        except RuntimeError as error:
            raise LoopClosed("the event loop is closed") from error

    def _start(self) -> None:
        if self.is_abandoned:
            self.coroutine.close()
        else:
            self.task = self.loop.create_task(self.run())
            self.task.add_done_callback(self._ended)

    def _ended(self, _task: object) -> None:
        # A task that is cancelled before its first step never gets to `run`.
        if not self.outcome.is_set:
            self.coroutine.close()
            self.outcome.set(None, CancelledError())

    def submit_cancel(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            return  # closed: there is nothing to cancel

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def is_loop_closed(self) -> bool:
        return self.loop.is_closed()


class _TrioLoopCall(LoopCall[T]):
    def __init__(self, coroutine: Coroutine[Any, Any, T], token: trio.lowlevel.TrioToken) -> None:
        super().__init__(coroutine)
        self.trio: Any = sys.modules["trio"]
        self.token = token
        self.scope: Any = self.trio.CancelScope()

    def submit(self) -> None:
        try:
            self.token.run_sync_soon(self._start)
        except self.trio.RunFinishedError as error:
            raise LoopClosed("the Trio run is over") from error

    def _start(self) -> None:
        if self.is_abandoned:
            self.coroutine.close()
        else:
            self.trio.lowlevel.spawn_system_task(self._run_in_scope, context=self.variables)

    async def _run_in_scope(self) -> None:
        try:
            with self.scope:
                await self.run()
        except (KeyboardInterrupt, SystemExit):
            # The caller has it; here it would be an internal error of trio.
            return

    def submit_cancel(self) -> None:
        try:
            self.token.run_sync_soon(self.scope.cancel)
        except self.trio.RunFinishedError:
            return  # over: there is nothing to cancel

    def is_loop_closed(self) -> bool:
        try:
            self.token.run_sync_soon(int)
        except self.trio.RunFinishedError:
            return True
        return False
