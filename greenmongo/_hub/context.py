"""Who is calling: the identity a request belongs to, and the signal of its death.

A `Context` is one greenlet, thread or task. Its identity is an object and never an `id()` that
another greenlet may be given later. Two signals tell of its death, whichever comes first: gevent's
link of a Greenlet that ended, and the finaliser of what lies in the thread's locals or in the
greenlet's attributes, and nowhere else. The `Context` itself may live on: in the frames of a
traceback that somebody keeps. The signals may come in any thread and may not block.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from gevent import Greenlet
from gevent._hub_local import get_hub_if_exists
from gevent.hub import getcurrent
from gevent.monkey import is_module_patched

from greenmongo._hub.native import ThreadLocal
from greenmongo._hub.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenlet import greenlet

__all__ = ["Context", "current_context"]

_tokens = itertools.count(1)
_ATTRIBUTE = "_greenmongo_life"


class Context:
    """The identity of one caller. `token` is never given twice in a process."""

    __slots__ = ("__weakref__", "_is_over", "_watchers", "kind", "token")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.token = next(_tokens)
        self._is_over = False
        self._watchers: set[Callable[[int], object]] = set()

    def __repr__(self) -> str:
        return f"<Context {self.kind} #{self.token}>"

    def watch(self, watcher: Callable[[int], object]) -> None:
        """Have `watcher(token)` called when this context dies; it must not block or raise.

        At once, if it is dead already: a call may run on for a caller that was killed.
        """
        self._watchers.add(watcher)
        # In this order, as `expire` may be running in the caller's thread.
        if self._is_over:
            self.expire()

    def unwatch(self, watcher: Callable[[int], object]) -> None:
        """Forget a watcher; unknown ones are ignored."""
        self._watchers.discard(watcher)

    def expire(self, _source: object = None) -> None:
        """Tell the watchers, once each, that this context is over. Any side."""
        self._is_over = True
        watchers = self._watchers
        while watchers:
            try:
                watcher = watchers.pop()
            except KeyError:  # withdrawn meanwhile, in another thread
                return
            watcher(self.token)

    def __del__(self) -> None:
        self.expire()


class LifetimeSentinel:
    """What dies with the thing that a context stands for, since nobody else refers to it."""

    __slots__ = ("context",)

    def __init__(self, kind: str) -> None:
        self.context = Context(kind)

    def __del__(self) -> None:
        self.context.expire()


class _ThreadSentinel(ThreadLocal):
    sentinel: LifetimeSentinel | None = None


_thread = _ThreadSentinel()


def current_context(*, use_greenlets: bool) -> Context:
    """Return the identity of the calling greenlet or thread.

    It is the greenlet if `use_greenlets` is set, if this thread has a gevent hub, or in a
    patched process; the thread otherwise. A thread's main greenlet stands for the thread.
    """
    current = getcurrent()
    if isinstance(current, Worker):
        if current.context is None:
            current.sentinel = sentinel = LifetimeSentinel("call")
            current.context = sentinel.context
        return current.context
    by_greenlet = use_greenlets or get_hub_if_exists() is not None or is_module_patched("threading")
    if by_greenlet and current.parent is not None:
        return _greenlet_context(current)
    if _thread.sentinel is None:
        _thread.sentinel = LifetimeSentinel("thread")
    return _thread.sentinel.context


def _greenlet_context(current: greenlet) -> Context:
    attributes = current.__dict__
    sentinel: LifetimeSentinel | None = attributes.get(_ATTRIBUTE)
    if sentinel is None:
        sentinel = attributes[_ATTRIBUTE] = LifetimeSentinel("greenlet")
        if isinstance(current, Greenlet):
            # One link for the greenlet's whole life, however many requests it makes.
            current.rawlink(sentinel.context.expire)
    return sentinel.context
