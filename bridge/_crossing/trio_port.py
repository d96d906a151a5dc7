"""trio: tasks are rescheduled, a batch of them by one callback of the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bridge._crossing.async_call import (
    MAX_PER_CALLBACK,
    AsyncCall,
    LoopPort,
    give_up_notices,
    sendable,
)
from greenmongo.lowlevel import NOTICE, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context as Variables

    import trio

    from bridge._crossing.async_call import Results
    from greenmongo.lowlevel import Context, HubThread

__all__ = ["TrioPort"]


class _TrioCall(AsyncCall):
    __slots__ = ("task",)

    port: TrioPort

    def __init__(
        self,
        port: TrioPort,
        fn: Callable[[], Any],
        context: Context | None = None,
        variables: Variables | None = None,
    ) -> None:
        Call.__init__(self, port.thread.workers, fn, context, variables)
        self.port, self.lane, self.answer = port, None, None
        self.task: trio.lowlevel.Task | None = port.trio.lowlevel.current_task()

    def resolve(self, value: Any, error: BaseException | None) -> None:
        """Give the outcome to the task, or have it look at its notices. Caller side."""
        if value is not NOTICE:
            self.answer = (value, error)
        task, self.task = self.task, None
        if task is not None:
            self.port.trio.lowlevel.reschedule(task)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._outcome().__await__()

    async def _outcome(self) -> Any:
        try:
            return await self._next_answer()
        finally:
            if self.port.thread.standby is not None:
                # The process ends; the hub must stand still when it does.
                self.port.thread.wait_at_exit()
            # An exception's traceback holds this frame, and the call may hold the exception.
            del self

    async def _next_answer(self) -> Any:
        lowlevel = self.port.trio.lowlevel
        while True:
            await lowlevel.wait_task_rescheduled(self._abort)
            # In this order: the last notices came before the outcome.
            answer = self.answer
            if self.notices:
                self._run_notices_or_leave()
            if answer is not None:
                break
            self.task = lowlevel.current_task()
        self.answer = None
        value, error = answer
        if error is None:
            return value
        try:
            raise sendable(error)
        finally:
            # The exception's traceback holds this frame; do not hold the exception in turn.
            del self, answer, error

    def _run_notices_or_leave(self) -> None:
        try:
            self.run_notices()
        except BaseException:
            self.abandon(self.port.thread)
            raise

    def _abort(self, _raise_cancel: object) -> Any:
        self.task = None
        self.abandon(self.port.thread)
        return self.port.trio.lowlevel.Abort.SUCCEEDED


class TrioPort(LoopPort):
    """The way back to the tasks of one Trio run."""

    call_type = _TrioCall

    def __init__(self, thread: HubThread, token: trio.lowlevel.TrioToken) -> None:
        super().__init__(thread)
        self.trio: Any = sys.modules["trio"]
        self.token = token
        self._watched: WeakKeyDictionary[Any, list[Callable[[object], object]]] | None = None

    def is_alive(self) -> bool:
        try:
            self.token.run_sync_soon(int)
        except self.trio.RunFinishedError:
            return False
        return True

    def serves(self, loop: object) -> bool:
        return self.token is loop

    def current_task(self) -> Any:
        return self.trio.lowlevel.current_task()

    def watch(self, task: Any, on_end: Callable[[object], object]) -> None:
        # trio's tasks tell nobody that they end; that their memory is freed must do, which the
        # watcher's owner sees by itself. The last ones of a run are freed only by the collector.
        if self._watched is None:
            self._watched = WeakKeyDictionary()
            self.trio.lowlevel.spawn_system_task(self._watch_the_run)
        # A task may use several clients.
        self._watched.setdefault(task, []).append(on_end)

    async def _watch_the_run(self) -> None:
        try:
            await self.trio.sleep_forever()
        finally:
            for watchers in list((self._watched or {}).values()):
                for on_end in watchers:
                    on_end(None)

    def flush(self, results: Results) -> None:
        try:
            self.token.run_sync_soon(_resolve_slice, results, self.token.run_sync_soon)
        except self.trio.RunFinishedError:
            give_up_notices(results)
            results.clear()


def _resolve_slice(results: Results, call_soon: Callable[..., object]) -> None:
    """Give tasks their outcomes; those beyond the first few by another callback of the loop."""
    if len(results) > MAX_PER_CALLBACK:
        call_soon(_resolve_slice, results[MAX_PER_CALLBACK:], call_soon)
        del results[MAX_PER_CALLBACK:]
    for call, value, error in results:
        if isinstance(call, _TrioCall):
            call.resolve(value, error)
