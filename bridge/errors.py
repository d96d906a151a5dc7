"""What the async classes raise: PyMongo's errors, as the blocking ones do.

    PyMongoError
    +-- InvalidOperation
        +-- HubClosed       the hub thread stopped before it could answer the call
        +-- LoopClosed      the event loop was closed before `block_on` had its result
        +-- MisuseError     the bridge was used as it cannot be: outside a loop, for instance
            +-- ConcurrentSessionUse    a session was used by two at once

The rest of the tree is in `greenmongo.errors`; the same objects are raised through every door.
"""

from __future__ import annotations

from greenmongo.errors import ConcurrentSessionUse, HubClosed, InvalidOperation, MisuseError

__all__ = ["ConcurrentSessionUse", "HubClosed", "InvalidOperation", "LoopClosed", "MisuseError"]


class LoopClosed(InvalidOperation):
    """The event loop was closed before the coroutine had ended."""
