"""The real thread primitives, whatever `gevent.monkey` has made of the standard modules.

Looked up once, at import. Before patching the names are the originals anyway; after patching
`get_original` returns what was replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent.monkey import get_original

if TYPE_CHECKING:
    from _thread import RLock, _local, allocate_lock, get_ident, start_new_thread
    from time import sleep
else:
    RLock, _local, allocate_lock, get_ident, start_new_thread = get_original(
        "_thread", ["RLock", "_local", "allocate_lock", "get_ident", "start_new_thread"]
    )
    sleep = get_original("time", "sleep")

__all__ = ["RLock", "ThreadLocal", "allocate_lock", "get_ident", "sleep", "start_new_thread"]

ThreadLocal = _local
