"""Whether the hub thread has to know the caller's context variables for an operation."""

from __future__ import annotations

from greenmongo._net.bound_session import BOUND_SESSION
from greenmongo._net.observers.publisher import IS_LOGGING
from greenmongo._net.time_limit import BLOCK

__all__ = ["carries_context"]


def carries_context() -> bool:
    """Return whether the calling code is in a block of `timeout` or of a session. Any side.

    Or whether it is a log handler's.
    """
    return BLOCK.get() is not None or BOUND_SESSION.get() is not None or IS_LOGGING.get()
