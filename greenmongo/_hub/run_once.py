"""A function that runs at most once: for what must happen although its caller may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RunOnce"]


class RunOnce:
    """Runs a function the first time it is called. Hub side only."""

    __slots__ = ("_fn", "has_run")

    def __init__(self, fn: Callable[[], Any]) -> None:
        self._fn: Callable[[], Any] | None = fn
        self.has_run = False

    def __call__(self) -> Any:
        fn, self._fn = self._fn, None
        if fn is None:
            return None
        self.has_run = True
        return fn()
