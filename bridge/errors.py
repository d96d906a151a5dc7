"""What the async classes raise: PyMongo's errors, as the blocking ones do.

    PyMongoError
    +-- InvalidOperation
        +-- HubClosed       the hub thread stopped before it could answer the call
        +-- MisuseError     the bridge was used as it cannot be: outside a loop, for instance

The rest of the tree is in `greenmongo.errors`; the same objects are raised through every door.
"""

from __future__ import annotations

from greenmongo.errors import HubClosed, MisuseError

__all__ = ["HubClosed", "MisuseError"]
