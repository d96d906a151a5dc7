"""How a blocking caller waits for the hub thread.

A thread without a gevent hub waits on a native lock. A greenlet waits on a gevent waiter of its
own hub, so that the other greenlets of its thread go on. Either may be interrupted (signal
handler, kill, gevent.Timeout): then only the waiter goes and the call is abandoned. Either may be
roused in between to run the notices of its call, and then waits on.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from gevent._hub_local import get_hub_if_exists
from gevent.hub import Waiter, getcurrent

from greenmongo._hub.call import NOTICE, Call
from greenmongo._hub.errors import HubClosed, blocks_in_callback
from greenmongo._hub.native import ThreadLocal, allocate_lock
from greenmongo._hub.outbox import Port

if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import partial

    from gevent.hub import Hub

    from greenmongo._hub.context import Context
    from greenmongo._hub.thread import HubThread

__all__ = ["run_and_wait"]

POLL_INTERVAL = 0.5
"""Seconds after which a thread that waits looks up: a Ctrl-C that comes in the instant before it
begins to wait does not wake it."""

_Outcome = tuple[Any, BaseException | None]


def run_and_wait(thread: HubThread, fn: partial[Any], context: Context | None) -> Any:
    """Run `fn` on a worker of the hub thread and return its result. Caller side.

    Raises:
        MisuseError: the caller is a callback of a hub, which cannot wait.
        HubClosed: the hub thread stopped first.
    """
    hub = get_hub_if_exists()
    call: _LockCall | _GreenletCall
    if hub is None:
        call = _LockCall(thread, fn, context)
    elif getcurrent() is hub:
        raise blocks_in_callback(fn.func, "a gevent hub")
    else:
        call = _GreenletCall(thread, fn, context, hub)
    try:
        thread.submit(call.begin)
        value, error = call.wait()
    except HubClosed:
        raise
    except BaseException:
        call.abandon(thread)
        raise
    finally:
        if thread.standby is not None:
            # The process ends, and perhaps with the next line.
            thread.wait_at_exit()
    if error is None:
        return value
    try:
        raise error
    finally:
        # The traceback holds this frame; the frame must not hold the error.
        del error, call


class _LockCall(Call):
    """The caller is a thread without a hub."""

    __slots__ = ("lock", "outcome")

    def __init__(self, thread: HubThread, fn: Callable[[], Any], context: Context | None) -> None:
        super().__init__(thread.workers, fn, context)
        self.lock = allocate_lock()
        self.lock.acquire()
        self.outcome: _Outcome | None = None

    def deliver(self, value: Any, error: BaseException | None) -> None:
        if value is not NOTICE:
            self.outcome = (value, error)
        # If it is unlocked, the caller has been roused already, and is going to look.
        if self.lock.locked():
            self.lock.release()

    def wait(self) -> _Outcome:
        while True:
            if self.lock.acquire(True, POLL_INTERVAL):
                # In this order: the last notices came before the outcome.
                outcome = self.outcome
                if self.notices:
                    self.run_notices()
                if outcome is not None:
                    return outcome
            # The interpreter looks whether there was a signal.


class _GreenletCall(Call):
    """The caller is a greenlet of another hub."""

    __slots__ = ("outcome", "port", "thread", "waiter")

    def __init__(
        self, thread: HubThread, fn: Callable[[], Any], context: Context | None, hub: Hub
    ) -> None:
        super().__init__(thread.workers, fn, context)
        self.thread = thread
        self.port = _port_of(hub)
        self.waiter: Waiter[None] = Waiter(hub)
        self.outcome: _Outcome | None = None

    def deliver(self, value: Any, error: BaseException | None) -> None:
        self.thread.outbox.post(self.port, self, value, error)

    def is_reachable(self) -> bool:
        return self.port.is_alive()

    def wait(self) -> _Outcome:
        self.port.expect()
        try:
            while True:
                self.waiter.get()
                outcome = self.outcome
                if self.notices:
                    self.run_notices()
                if outcome is not None:
                    return outcome
                if self.outcome is None:
                    self.waiter.clear()
        finally:
            self.port.forget()


class _HubPort(Port):
    """The way back to the greenlets of one foreign hub.

    Its watcher is referenced only while somebody waits, so that `gevent.get_hub().join()`
    returns although a client is open.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = weakref.ref(hub)
        self.is_over = False
        """Its thread has ended."""
        self._arrived: deque[tuple[_GreenletCall, _Outcome | None]] = deque()
        self._wake_up = hub.loop.async_()
        self._waiting = 0

    def is_alive(self) -> bool:
        """Return whether its greenlets may still run. Hub side."""
        hub = self.hub()
        return not self.is_over and hub is not None and getattr(hub, "loop", None) is not None

    def expect(self) -> None:
        """One more greenlet waits. Caller side."""
        self._waiting += 1
        if self._waiting == 1:
            self._wake_up.start(self._hand_out)
            if self._arrived:
                self._wake_up.send()

    def forget(self) -> None:
        """One greenlet less waits. Caller side."""
        self._waiting -= 1
        if self._waiting == 0:
            self._wake_up.stop()
            self._arrived.clear()

    def flush(self, results: list[tuple[Call, Any, BaseException | None]]) -> None:
        for call, value, error in results:
            if isinstance(call, _GreenletCall):
                self._arrived.append((call, None if value is NOTICE else (value, error)))
        try:
            self._wake_up.send()
        except ValueError:
            # The other thread ended and destroyed its loop: nobody is left to hear of it.
            for call, _ in self._arrived:
                call.give_up_notices()
            self._arrived.clear()

    def _hand_out(self) -> None:
        arrived = self._arrived
        for _ in range(len(arrived)):
            if not arrived:
                return
            call, outcome = arrived.popleft()
            if outcome is not None:
                call.outcome = outcome
            wake = call.waiter.switch
            # What the call holds, a session perhaps, is not to live on for as long as its greenlet
            # runs without a wait.
            del call, outcome
            wake(None)


class _PortOwner:
    """What only a thread refers to, and so dies with it."""

    __slots__ = ("port",)

    def __init__(self, port: _HubPort) -> None:
        self.port = port

    def __del__(self) -> None:
        self.port.is_over = True


class _ThreadPort(ThreadLocal):
    owner: _PortOwner | None = None


_thread = _ThreadPort()


def _port_of(hub: Hub) -> _HubPort:
    owner = _thread.owner
    if owner is None or owner.port.hub() is not hub:
        owner = _thread.owner = _PortOwner(_HubPort(hub))
    return owner.port
