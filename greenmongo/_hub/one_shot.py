"""One outcome, given by any thread, that one thread or greenlet waits for.

A thread without a gevent hub waits on a native lock, a greenlet on a waiter of its own hub. Unlike
a `Call` nothing of it runs on the hub thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import gevent
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Waiter, getcurrent

from greenmongo._hub.errors import blocks_in_callback
from greenmongo._hub.native import allocate_lock

if TYPE_CHECKING:
    from gevent.hub import Hub

__all__ = ["OneShot", "new_one_shot"]


class OneShot(ABC):
    """Made by the caller that is going to wait."""

    def __init__(self) -> None:
        self.is_set = False
        self._outcome: tuple[Any, BaseException | None] = (None, None)

    def set(self, value: Any, error: BaseException | None) -> None:
        """Set the outcome; the first one counts. Any side; neither blocks nor raises."""
        if not self.is_set:
            self._outcome = (value, error)
            self.is_set = True
            self._wake()

    def result(self) -> tuple[Any, BaseException | None]:
        """Return the outcome, and keep nothing of it alive. Caller side."""
        outcome, self._outcome = self._outcome, (None, None)
        return outcome

    @abstractmethod
    def _wake(self) -> None:
        """Have `wait` look at the outcome."""

    @abstractmethod
    def wait(self, timeout: float) -> bool:
        """Wait for the outcome and tell whether it is there. Caller side."""


class _OfThread(OneShot):
    def __init__(self) -> None:
        super().__init__()
        self._lock = allocate_lock()
        self._lock.acquire()

    def _wake(self) -> None:
        self._lock.release()

    def wait(self, timeout: float) -> bool:
        if not self.is_set:
            self._lock.acquire(True, timeout)
        return self.is_set


class _OfGreenlet(OneShot):
    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._waiter: Waiter[None] = Waiter(hub)
        self._loop: Any = hub.loop  # its stub lacks the one method that is needed

    def _wake(self) -> None:
        try:
            self._loop.run_callback_threadsafe(self._waiter.switch, None)
        except ValueError:
            # The thread has ended and destroyed its loop: nobody waits.
            return

    def wait(self, timeout: float) -> bool:
        if not self.is_set:
            gevent.with_timeout(timeout, self._waiter.get, timeout_value=None)
        return self.is_set


def new_one_shot(what: str) -> OneShot:
    """Return a one-shot for the calling thread or greenlet, which is about to do `what`.

    Raises:
        MisuseError: the caller is a callback of a hub, which cannot wait.
    """
    hub = get_hub_if_exists()
    if hub is None:
        return _OfThread()
    if getcurrent() is hub:
        raise blocks_in_callback(what, "a gevent hub")
    return _OfGreenlet(hub)
