"""Work for other threads: what computes for long, or may block while nobody waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gevent.hub import get_hub

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["offload"]

R = TypeVar("R")


def offload(fn: Callable[[], R]) -> R:
    """Run `fn` in a thread of the hub's pool, and wait for its result. Any greenlet of a hub.

    If the pool's threads are all taken it waits for one. A greenlet that is killed meanwhile leaves
    the thread to finish what it is at.
    """
    result: R = get_hub().threadpool.apply(fn)
    return result
