"""Work for other threads: what computes for long, or may block while nobody waits for it."""

from __future__ import annotations

import os
from errno import EAGAIN
from typing import TYPE_CHECKING, Any, TypeVar

from gevent.hub import get_hub

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent.hub import Hub
    from gevent.threadpool import ThreadPool

__all__ = ["compute", "end_computing", "offload"]

R = TypeVar("R")


class NoThreadError(OSError):
    """No thread can start."""


def _run_in(pool: ThreadPool, fn: Callable[[], R]) -> R:
    is_refused = False

    def run() -> R | None:
        # The pool keeps what it was given, for when it has a thread.
        return None if is_refused else fn()

    try:
        task: Any = pool.spawn(run)
    except (RuntimeError, MemoryError) as error:
        is_refused = True
        raise NoThreadError(EAGAIN, f"no thread can start: {error}") from error
    result: R = task.get()
    return result


def offload(fn: Callable[[], R]) -> R:
    """Run `fn` in a thread of the hub's pool, and wait for its result. Any greenlet of a hub.

    If the pool's threads are all taken it waits for one. A greenlet that is killed meanwhile leaves
    the thread to finish what it is at.

    Raises:
        OSError: no thread can start.
    """
    return _run_in(get_hub().threadpool, fn)


def compute(fn: Callable[[], R]) -> R:
    """Run `fn`, which computes for a millisecond or more without the interpreter lock, elsewhere.

    It never waits behind functions that block: these threads do nothing else. Any greenlet of a
    hub; one that is killed meanwhile leaves the thread to finish what it is at.
    """
    hub = get_hub()
    pool = _computing.get(hub)
    if pool is None:
        # As gevent does it: most programs never compute elsewhere.
        from gevent.threadpool import ThreadPool

        pool = _computing[hub] = ThreadPool(os.cpu_count() or 1, hub=hub)
    try:
        return _run_in(pool, fn)
    except NoThreadError:
        # Others wait for a moment; the caller gets what it asked for.
        return fn()


def end_computing(hub: Hub) -> None:
    """End the threads that compute for a hub which is about to end."""
    pool = _computing.pop(hub, None)
    if pool is not None:
        pool.kill()


_computing: dict[Hub, ThreadPool] = {}
