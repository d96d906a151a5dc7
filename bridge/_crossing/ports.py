"""From the hub thread back to an event loop: one wake-up per batch, and dead loops.

A `LoopPort` belongs to one running loop and one hub thread. Results arrive in batches; at most
`MAX_PER_CALLBACK` calls are resolved per callback of the loop, so that its own work is not kept
waiting.
A task that is roused by a notice runs what its call wants done in its place, and waits on.
"""

from __future__ import annotations

import asyncio
import sys
from abc import abstractmethod
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

from bridge._crossing.gil_yielder import GilYielder
from bridge._crossing.loop_waker import new_loop_waker
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import NOTICE, Call, Port, ThreadLocal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import trio

    from greenmongo.lowlevel import Context, HubThread

    Loop: TypeAlias = asyncio.AbstractEventLoop | trio.lowlevel.TrioToken

__all__ = ["AsyncCall", "LoopPort", "on_behalf_of", "current_port", "running_loop"]

MAX_PER_CALLBACK = 64
"""How many calls get their outcome before other callbacks of the loop have their turn."""

on_behalf_of: ContextVar[asyncio.Task[Any] | None] = ContextVar("on_behalf_of", default=None)
"""The task in whose name, and request, another one makes its calls."""

_Results = list[tuple[Call, Any, BaseException | None]]


class Enters(Protocol):
    """What runs calls one after another."""

    def enter(self, call: Call) -> None:
        """Run a call after those before it. Hub side."""


class AsyncCall(Call):
    """A call made by a task."""

    __slots__ = ("answer", "lane", "port")

    def __init__(
        self,
        port: LoopPort,
        fn: Callable[[], Any],
        context: Context | None,
    ) -> None:
        super().__init__(port.thread.workers, fn, context)
        self.port = port
        self.lane: Enters | None = None
        """Where the call has to queue; None for any free worker."""
        self.answer: tuple[Any, BaseException | None] | None = None
        """The outcome, once it is there."""

    def begin(self) -> None:
        if self.lane is None:
            super().begin()
        else:
            self.lane.enter(self)

    def deliver(self, value: Any, error: BaseException | None) -> None:
        self.port.thread.outbox.post(self.port, self, value, error)

    def is_reachable(self) -> bool:
        return self.port.is_alive()

    def resolve(self, value: Any, error: BaseException | None) -> None:
        """Give the outcome to the task, or have it look at its notices. Caller side."""
        if value is not NOTICE:
            self.answer = (value, error)
        self.rouse()

    @abstractmethod
    def rouse(self) -> None:
        """Have the task look at what there is, if it waits. Caller side."""

    @abstractmethod
    async def outcome(self) -> Any:
        """Wait for the outcome; abandon the call if the task is cancelled. Caller side."""


class LoopPort(Port):
    """The way back to the tasks of one event loop."""

    def __init__(self, thread: HubThread) -> None:
        super().__init__()
        self.thread = thread

    @abstractmethod
    def is_alive(self) -> bool:
        """Return whether the loop may still run its tasks. Any side."""

    @abstractmethod
    def serves(self, loop: object) -> bool:
        """Tell whether this is the port of that loop."""

    @abstractmethod
    def new_call(
        self,
        fn: Callable[[], Any],
        context: Context | None,
    ) -> AsyncCall:
        """Return a call made by the current task."""

    @abstractmethod
    def current_task(self) -> Any:
        """Return the task that is running."""

    @abstractmethod
    def watch(self, task: Any, on_end: Callable[[object], object]) -> None:
        """Have `on_end` called when the task has ended, however it does."""


def _resolve_slice(results: _Results, call_soon: Callable[..., object]) -> None:
    """Give tasks their outcomes; those beyond the first few by another callback of the loop."""
    if len(results) > MAX_PER_CALLBACK:
        call_soon(_resolve_slice, results[MAX_PER_CALLBACK:], call_soon)
        del results[MAX_PER_CALLBACK:]
    for call, value, error in results:
        if isinstance(call, AsyncCall):
            call.resolve(value, error)


def _give_up_notices(results: _Results) -> None:
    """Let others run what the tasks of a loop that is over cannot. Hub side."""
    for call, _, _ in results:
        call.give_up_notices()


def _sendable(error: BaseException) -> BaseException:
    """Return what can be raised in a coroutine: StopIteration would end it silently."""
    if isinstance(error, StopIteration):
        substitute = RuntimeError(f"the function raised {error!r}")
        substitute.__cause__ = error
        return substitute
    return error


# ---- asyncio ------------------------------------------------------------------------------------


class _FutureCall(AsyncCall):
    __slots__ = ("future",)

    port: _AsyncioPort

    def __init__(
        self,
        port: _AsyncioPort,
        fn: Callable[[], Any],
        context: Context | None,
    ) -> None:
        super().__init__(port, fn, context)
        self.future: asyncio.Future[Any] = port.loop.create_future()

    def rouse(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    async def outcome(self) -> Any:
        self.port.yielder.call_started()
        try:
            while True:
                await self.future
                # In this order: the last notices came before the outcome.
                answer = self.answer
                if self.notices:
                    self.run_notices()
                if answer is not None:
                    break
                self.future = self.port.loop.create_future()
        except BaseException:
            # Cancelled, thrown away, or what a notice raised to end the task.
            if self.answer is None or self.notices:
                self.abandon(self.port.thread)
            raise
        finally:
            self.port.yielder.call_ended()
        self.answer = None
        value, error = answer
        if error is None:
            return value
        try:
            raise _sendable(error)
        finally:
            # The exception's traceback holds this frame; do not hold the exception in turn.
            del self, answer, error


class _AsyncioPort(LoopPort):
    def __init__(self, thread: HubThread, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(thread)
        self.loop = loop
        self.yielder = GilYielder(loop, thread.outbox.wait_for_iteration)
        self._arrived: deque[_Results] = deque()
        self._is_woken = False
        reference = ref(self)

        def on_wake() -> None:
            # The loop, which keeps this, must not keep the port of a thread that it has left.
            port = reference()
            if port is not None:
                port._deliver_batches()

        self._waker = new_loop_waker(loop, on_wake)

    def is_alive(self) -> bool:
        return not self.loop.is_closed()

    def serves(self, loop: object) -> bool:
        return self.loop is loop

    def new_call(
        self,
        fn: Callable[[], Any],
        context: Context | None,
    ) -> AsyncCall:
        return _FutureCall(self, fn, context)

    def current_task(self) -> Any:
        return on_behalf_of.get() or asyncio.current_task()

    def watch(self, task: Any, on_end: Callable[[object], object]) -> None:
        task.add_done_callback(on_end)

    def flush(self, results: _Results) -> None:
        if self.loop.is_closed():
            # Its tasks are gone and nobody waits.
            self._arrived.clear()
            _give_up_notices(results)
            return
        self._arrived.append(results)
        if not self._is_woken:
            self._is_woken = True
            self._waker.wake()

    def _deliver_batches(self) -> None:
        # In this order: what comes in between wakes the loop again.
        self._is_woken = False
        arrived = self._arrived
        for _ in range(len(arrived)):
            _resolve_slice(arrived.popleft(), self.loop.call_soon)


# ---- trio ---------------------------------------------------------------------------------------


class _TrioCall(AsyncCall):
    __slots__ = ("task",)

    port: _TrioPort

    def __init__(
        self,
        port: _TrioPort,
        fn: Callable[[], Any],
        context: Context | None,
    ) -> None:
        super().__init__(port, fn, context)
        self.task: trio.lowlevel.Task | None = port.trio.lowlevel.current_task()

    def rouse(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            self.port.trio.lowlevel.reschedule(task)

    async def outcome(self) -> Any:
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
            raise _sendable(error)
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


class _TrioPort(LoopPort):
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

    def new_call(
        self,
        fn: Callable[[], Any],
        context: Context | None,
    ) -> AsyncCall:
        return _TrioCall(self, fn, context)

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

    def flush(self, results: _Results) -> None:
        try:
            self.token.run_sync_soon(_resolve_slice, results, self.token.run_sync_soon)
        except self.trio.RunFinishedError:
            _give_up_notices(results)
            results.clear()


# ---- which one ----------------------------------------------------------------------------------


class _LastPorts(ThreadLocal):
    of_asyncio: LoopPort | None = None
    of_trio: LoopPort | None = None


_last = _LastPorts()


def running_loop() -> Loop | None:
    """Return the asyncio loop, or the token of the Trio run, that runs in this thread."""
    # First, since Trio can be the guest of an asyncio loop. Another thread may be importing it.
    lowlevel: Any = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is not None and lowlevel.in_trio_task():
        token: trio.lowlevel.TrioToken = lowlevel.current_trio_token()
        return token
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def current_port(thread: HubThread) -> LoopPort:
    """Return the port of the running event loop, asyncio's or trio's.

    Raises:
        MisuseError: no event loop runs in this thread.
    """
    loop = running_loop()
    if loop is None:
        raise MisuseError("no running event loop", "await this from a task of asyncio or trio")
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return _trio_port(thread, loop)
    port = _last.of_asyncio
    if port is None or not port.serves(loop) or port.thread is not thread:
        port = _last.of_asyncio = _AsyncioPort(thread, loop)
    return port


def _trio_port(thread: HubThread, token: trio.lowlevel.TrioToken) -> LoopPort:
    port = _last.of_trio
    if port is None or not port.serves(token) or port.thread is not thread:
        port = _last.of_trio = _TrioPort(thread, token)
    return port
