"""What can go wrong with the crossing itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from greenlet import GreenletExit
from pymongo.errors import AutoReconnect, InvalidOperation

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["CallAbandoned", "HubClosed", "HubStartError", "MisuseError", "blocks_in_callback"]

PASSED_OVER = {"greenmongo", "bridge", "contextlib", "functools"}
NOBODY = {"anyio", "asyncio", "gevent", "threading", "trio"}
"""Whose frames say only that there is no line of the user's on this stack."""


class HubClosed(InvalidOperation):
    """The hub thread is stopping, or died, before it could answer the call."""


class HubStartError(AutoReconnect):
    """The hub thread cannot start: no descriptor, thread or memory is left. Later it may."""


class MisuseError(InvalidOperation):
    """The driver was used in a way that cannot work; says where, and what to do instead.

    Attributes:
        problem: what is wrong.
        remedy: what to do instead.
        call_site: the line of yours that did it, as `file:line in function`; None if the driver
            was not called by any.
    """

    def __init__(self, problem: str, remedy: str, call_site: str | None = None) -> None:
        self.problem = problem
        self.remedy = remedy
        self.call_site = call_site or find_call_site()
        place = "" if self.call_site is None else f" (called from {self.call_site})"
        super().__init__(f"{problem}: {remedy}{place}")

    def __reduce__(self) -> tuple[type[MisuseError], tuple[str | None, ...]]:
        return type(self), (self.problem, self.remedy, self.call_site)


class CallAbandoned(GreenletExit):
    """Thrown into the greenlet that runs a call whose caller has left."""


def blocks_in_callback(what: object, hub: str) -> MisuseError:
    """Return the error of a blocking call in a callback of a hub.

    Args:
        what: the function that was called, or its name.
        hub: whose callback it is.
    """
    return MisuseError(
        f"{getattr(what, '__qualname__', what)!s} blocks, and was called from a callback of {hub}, "
        "where nothing may block",
        "call it from a greenlet (gevent.spawn; for signals gevent.signal_handler)",
    )


def find_call_site(frame: FrameType | None = None) -> str | None:
    """Return the line on a stack that called the driver, if it is there.

    Args:
        frame: the stack; None for that of the caller.
    """
    frame = frame or sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in NOBODY:
            return None
        if package not in PASSED_OVER:
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        frame = frame.f_back
    return None
