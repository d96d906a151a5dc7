"""Timers that are late wait until the loop has looked at what has arrived.

When a process has stood still (stopped by a signal, a laptop asleep, a virtual machine moved, a
function that held the hub), the first that the loop sees is that timers have expired, although the
answer that they limit the wait for may have come long ago. So no timer of the hub thread calls back
at once. When it expires, the loop looks for I/O once more, and goes on doing so for as long as the
timer was late, up to `GRACE`: what has arrived is read, and who can answer now can do so. Then
the time limit is enforced.

All timers of the hub are such, because its loop makes them: those of `gevent.Timeout`, of the
`wait` of events, of sockets.
"""

from __future__ import annotations

import os
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent import config
from gevent._hub_local import set_hub
from gevent.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["GRACE", "install_hub"]

GRACE = 1.0
"""Seconds that a late timer waits at most, for what takes a few round trips to answer."""

_AFTER_IO = -1
"""A priority: of what has happened at the same time, the loop tells of I/O first."""


class LateTimer:
    """A timer that calls back once, with the methods of gevent's own.

    Args:
        new_timer: makes one of the loop's own timers, for so many seconds.
        after: the seconds.
    """

    __slots__ = ("_after", "_args", "_callback", "_due", "_is_expired", "_new_timer", "_timer")

    def __init__(self, new_timer: Callable[[float], Any], after: float) -> None:
        self._new_timer = new_timer
        self._after = after
        self._timer = new_timer(after)
        self._callback: Callable[..., object] | None = None
        self._args: tuple[Any, ...] = ()
        self._due = 0.0
        self._is_expired = False

    @property
    def active(self) -> bool:
        """Whether it is started and has not called back."""
        active: bool = self._timer.active
        return active

    @property
    def pending(self) -> bool:
        """Whether it is about to call back."""
        pending: bool = self._timer.pending
        return pending

    def start(self, callback: Callable[..., object], *args: Any, update: bool = True) -> None:
        """Call `callback(*args)` when the time is over."""
        self._callback, self._args = callback, args
        self._due = monotonic() + self._after
        self._is_expired = False
        self._timer.start(self._on_expiry, update=update)

    def stop(self) -> None:
        """Do not call back."""
        self._timer.stop()
        self._callback, self._args = None, ()

    def close(self) -> None:
        """Stop, and free what the loop has of it."""
        self.stop()
        self._timer.close()

    def __enter__(self) -> LateTimer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _on_expiry(self) -> None:
        if not self._is_expired:
            self._is_expired = True
            late = monotonic() - self._due
            self._timer.close()
            self._timer = self._new_timer(max(min(late, self._after, GRACE), 0.0))
            self._timer.start(self._on_expiry, update=True)
            return
        callback = self._callback
        if callback is not None:
            callback(*self._args)


def _check_descriptors() -> None:
    """See that there are enough, because libev tries for ever to make its pipe."""
    ends: list[int] = []
    try:
        # One for epoll, two for a pipe, and one more that another thread may take meanwhile.
        ends += os.pipe()
        ends += os.pipe()
    finally:
        for end in ends:
            os.close(end)


@cache
def _loop_class() -> Any:
    """Return gevent's class of loops, with other timers."""
    own: Any = config.loop

    class Loop(own):  # type: ignore[misc]  # whatever class gevent is configured with
        def timer(
            self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None
        ) -> Any:
            make = super().timer
            if priority is None:
                priority = _AFTER_IO
            if after <= 0 or repeat:
                return make(after, repeat, ref, priority)
            return LateTimer(lambda seconds: make(seconds, 0.0, ref, priority), after)

    return Loop


def install_hub() -> Hub:
    """Make the hub of the calling thread, which has none, and return it.

    Raises:
        OSError: no descriptors are left.
    """
    _check_descriptors()
    hub = Hub(loop=_loop_class()(flags=config.libev_backend, default=False))
    set_hub(hub)
    return hub
