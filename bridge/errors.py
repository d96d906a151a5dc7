"""What the async classes raise: PyMongo's errors, as the blocking ones do.

    PyMongoError
    +-- InvalidOperation
        +-- HubClosed       the hub thread stopped before it could answer the call
        +-- WrongHub        a blocking call was made where nothing may block

The rest of the tree is in `greenmongo.errors`; the same objects are raised through every door. A
coroutine awaited where no asyncio or trio loop runs raises RuntimeError.
"""

from __future__ import annotations

from greenmongo.errors import HubClosed, WrongHub

__all__ = ["HubClosed", "WrongHub"]
