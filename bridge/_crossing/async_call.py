"""A task's call on the hub thread, and the way back to the tasks of one event loop.

Results arrive in batches; at most `MAX_PER_CALLBACK` calls are resolved per callback of the loop,
so that its own work is not kept waiting.
A task that is roused by a notice runs what its call wants done in its place, and waits on.
"""

from __future__ import annotations

from abc import abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from greenmongo.lowlevel import Call, Port

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from contextvars import Context as Variables

    from greenmongo.lowlevel import Context, HubThread

__all__ = [
    "MAX_PER_CALLBACK",
    "AsyncCall",
    "LoopPort",
    "Results",
    "give_up_notices",
    "on_behalf_of",
    "sendable",
]

MAX_PER_CALLBACK = 64
"""How many calls get their outcome before other callbacks of the loop have their turn."""

on_behalf_of: ContextVar[asyncio.Task[Any] | None] = ContextVar("on_behalf_of", default=None)
"""The task in whose name, and request, another one makes its calls."""

Results = list[tuple[Call, Any, BaseException | None]]


class Enters(Protocol):
    """What runs calls one after another."""

    def enter(self, call: Call) -> None:
        """Run a call after those before it. Hub side."""


class AsyncCall(Call):
    """A call made by a task, which awaits it once it is submitted.

    To await it is to wait for the outcome; the call is abandoned if the task is cancelled.
    """

    __slots__ = ("answer", "lane", "port")

    port: Any  # a `LoopPort`, of each kind its own
    lane: Enters | None
    """Where the call has to queue; None for any free worker."""
    answer: tuple[Any, BaseException | None] | None
    """The outcome, once it is there."""

    # Those of each kind set all of it themselves: every call of every task comes through here.
    @abstractmethod
    def __init__(
        self,
        port: Any,
        fn: Callable[[], Any],
        context: Context | None = None,
        variables: Variables | None = None,
    ) -> None:
        """Make a call for the current task."""

    def begin(self) -> None:
        if self.lane is None:
            super().begin()
        else:
            self.lane.enter(self)

    def deliver(self, value: Any, error: BaseException | None) -> None:
        self.port.thread.outbox.post(self.port, self, value, error)

    def is_reachable(self) -> bool:
        is_alive: bool = self.port.is_alive()
        return is_alive

    @abstractmethod
    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait for the outcome. Caller side."""


class LoopPort(Port):
    """The way back to the tasks of one event loop."""

    call_type: ClassVar[type[AsyncCall]]
    """Of the calls that come back this way; makes one for the current task."""

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
    def current_task(self) -> Any:
        """Return the task that is running."""

    @abstractmethod
    def watch(self, task: Any, on_end: Callable[[object], object]) -> None:
        """Have `on_end` called when the task has ended, however it does."""


def give_up_notices(results: Results) -> None:
    """Let others run what the tasks of a loop that is over cannot. Hub side."""
    for call, _, _ in results:
        call.give_up_notices()


def sendable(error: BaseException) -> BaseException:
    """Return what can be raised in a coroutine: StopIteration would end it silently."""
    if isinstance(error, StopIteration):
        substitute = RuntimeError(f"the function raised {error!r}")
        substitute.__cause__ = error
        return substitute
    return error
