"""Who is calling: the identity a request belongs to, and the signal of its death.

A `Context` is one greenlet, thread or task. It lives in the thing it stands for: in the
greenlet's attributes, in a native thread-local, or in a lane of the bridge. So its identity is
an object and never an `id()` that another greenlet may be given later. Two signals tell of its
death, whichever comes first: gevent's link of a Greenlet that ended, and the finaliser of the
`Context` itself, which runs when the thread or the raw greenlet is gone. Both may run in any
thread and may not block.
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
_ATTRIBUTE = "_greenmongo_context"


class Context:
    """The identity of one caller. `token` is never given twice in a process."""

    __slots__ = ("_watchers", "kind", "token")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.token = next(_tokens)
        self._watchers: set[Callable[[int], object]] = set()

    def __repr__(self) -> str:
        return f"<Context {self.kind} #{self.token}>"

    def watch(self, watcher: Callable[[int], object]) -> None:
        """Have `watcher(token)` called when this context dies; it must not block or raise."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[int], object]) -> None:
        """Forget a watcher; unknown ones are ignored."""
        self._watchers.discard(watcher)

    def expire(self, _source: object = None) -> None:
        """Tell the watchers, once each, that this context is over. Any side."""
        watchers = self._watchers
        while watchers:
            watchers.pop()(self.token)

    def __del__(self) -> None:
        self.expire()


class _ThreadContext(ThreadLocal):
    context: Context | None = None


_thread = _ThreadContext()


def current_context(*, use_greenlets: bool) -> Context:
    """Return the identity of the calling greenlet or thread.

    It is the greenlet if `use_greenlets` is set, if this thread has a gevent hub, or in a
    patched process; the thread otherwise. A thread's main greenlet stands for the thread.
    """
    current = getcurrent()
    if isinstance(current, Worker):
        if current.context is None:
            current.context = Context("call")
        return current.context
    by_greenlet = use_greenlets or get_hub_if_exists() is not None or is_module_patched("threading")
    if by_greenlet and current.parent is not None:
        return _greenlet_context(current)
    if _thread.context is None:
        _thread.context = Context("thread")
    return _thread.context


def _greenlet_context(current: greenlet) -> Context:
    attributes = current.__dict__
    context: Context | None = attributes.get(_ATTRIBUTE)
    if context is None:
        context = attributes[_ATTRIBUTE] = Context("greenlet")
        if isinstance(current, Greenlet):
            # One link for the greenlet's whole life, however many requests it makes.
            current.rawlink(context.expire)
    return context
