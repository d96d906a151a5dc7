"""The hub thread of a process: leased by whoever needs it, at rest at exit, new after a fork.

When the process ends, an `atexit` hook has the hub thread stand still: a native thread that still
runs a hub at interpreter exit crashes it.

After a fork the child has the objects but not the thread. It must not touch the parent's event
loop (its epoll descriptor is shared), so the old objects are kept alive, unused, and a new
thread is started on first use.
"""

from __future__ import annotations

import atexit
import os
from typing import NoReturn

from greenmongo._hub.errors import HubClosed
from greenmongo._hub.forked import leave_hub_behind
from greenmongo._hub.log_handlers import flush_log_handlers
from greenmongo._hub.native import RLock, allocate_lock, get_ident
from greenmongo._hub.process_state import PROCESS
from greenmongo._hub.thread import HubThread

__all__ = ["acquire"]


def acquire() -> HubThread:
    """Lease the process's hub thread, starting it if need be; `release()` it when done.

    Raises:
        HubClosed: the interpreter is exiting; a hub thread that still ran then would crash it.
        HubStartError: there is no descriptor, thread or memory left for it.
    """
    with PROCESS.lock:
        if PROCESS.exiting_thread is None:
            return _lease()
        current = PROCESS.current
        if current is not None and PROCESS.exiting_thread == get_ident():
            current._leases.append(None)
            return current
        # The hub thread, too, if some worker goes on after it was told to end: who waits for it to
        # stop would wait in vain.
        may_wait = get_ident() not in {PROCESS.exiting_thread, *(hub.ident for hub in PROCESS.all)}
    if may_wait:
        _park()
    raise HubClosed(
        "the interpreter is exiting, and no thread can be started for the driver: use the client "
        "before that, and do not close it; or register what uses it with atexit after greenmongo "
        "is imported"
    )


def _lease() -> HubThread:
    thread = PROCESS.current
    if thread is None or not thread.is_usable:
        thread = PROCESS.current = HubThread()
        PROCESS.all = [old for old in PROCESS.all if old.ident]
        PROCESS.all.append(thread)
    thread._leases.append(None)
    return thread


def _park() -> NoReturn:
    """Wait without an end: a daemon thread's only quiet way to see the process end."""
    lock = allocate_lock()
    while True:
        lock.acquire()


def _stop_all() -> None:
    with PROCESS.lock:
        PROCESS.exiting_thread = get_ident()
        running = list(PROCESS.all)
    for thread in running:
        if thread.generation == PROCESS.generation and not thread.stand_by():
            # It is held. Nobody is to wait for it.
            PROCESS.current = None


def _forget_after_fork() -> None:
    forking = [thread for thread in PROCESS.all if thread.ident == get_ident()]
    PROCESS.lock = RLock()
    PROCESS.generation += 1
    PROCESS.leaked.extend(PROCESS.all)
    for thread in PROCESS.leaked:
        thread.ident, thread.is_usable = 0, False
    PROCESS.current, PROCESS.all = None, []
    for thread in forking:
        leave_hub_behind(thread.workers)


atexit.register(_stop_all)
# Behind that, and so called before it.
atexit.register(flush_log_handlers)
os.register_at_fork(after_in_child=_forget_after_fork)
