"""Fixtures that find what a test leaves behind: greenlets, sockets, threads, asyncio tasks.

`no_leaks` has to be set up before whatever the test opens, which `usefixtures` does:

    @pytest.mark.usefixtures("no_leaks")
    def test_closing_a_client_leaves_nothing(...) -> None: ...
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import cast

import gevent
import pytest
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Hub
from greenlet import greenlet

from tests.support.native import Signal

__all__ = ["Snapshot", "leak_check", "leftovers", "no_leaks", "take_snapshot", "wait_until"]

_FILES = Path("/proc/self/fd")
_THREADS = Path("/proc/self/task")
_PAUSE = 0.01


@dataclass(frozen=True)
class Snapshot:
    """What is alive: by identity, with words that tell what it is."""

    greenlets: dict[int, str]
    sockets: dict[str, str]
    threads: dict[str, str]
    tasks: dict[int, str]


def take_snapshot() -> Snapshot:
    """Return what is alive now; sockets and native threads are seen on Linux only."""
    gc.collect()
    objects = gc.get_objects()
    return Snapshot(
        greenlets={id(each): repr(each) for each in objects if _is_live_greenlet(each)},
        sockets=_sockets(),
        threads=_threads(),
        tasks={id(each): repr(each) for each in objects if _is_pending_task(each)},
    )


def leftovers(before: Snapshot, after: Snapshot) -> list[str]:
    """Return a line for everything in `after` that was not there `before`."""
    found = []
    for kind in ("greenlets", "sockets", "threads", "tasks"):
        old, new = getattr(before, kind), getattr(after, kind)
        found += [f"{kind[:-1]} {new[key]}" for key in new.keys() - old.keys()]
    return found


def wait_until(condition: Callable[[], object], timeout: float = 15.0) -> None:
    """Look at `condition` until it is true.

    For what nobody announces; blocks the thread, but not for longer than `timeout`.

    Raises:
        TimeoutError: it did not become true.
    """
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError(f"still waiting after {timeout} s")
        pause()


def pause(seconds: float = _PAUSE) -> None:
    """Let other threads run for a moment, and this thread's greenlets if it has a hub."""
    if get_hub_if_exists() is not None:
        gevent.sleep(seconds)
        return
    try:
        Signal().wait_for(lambda: False, seconds)
    except TimeoutError:
        return


@pytest.fixture
def leak_check() -> Callable[[Snapshot], None]:
    """Provide a function that waits until nothing is left over since a snapshot, or fails."""
    return check_leaks


def check_leaks(before: Snapshot, timeout: float = 15.0) -> None:
    """Fail, naming what is left over since `before` once `timeout` has passed."""
    deadline = monotonic() + timeout
    # Threads and sockets may end a moment after whoever asked them to has gone on.
    while found := leftovers(before, take_snapshot()):
        if monotonic() > deadline:
            pytest.fail("left behind:\n" + "\n".join(f"  {line}" for line in found))
        pause()


@pytest.fixture
def no_leaks() -> Iterator[Snapshot]:
    """Fail the test if something it started is alive some seconds after it."""
    before = take_snapshot()
    yield before
    check_leaks(before)


def _is_live_greenlet(candidate: object) -> bool:
    # Types are asked, since isinstance() fails for a weak proxy whose object is gone.
    kind = type(candidate)
    if not issubclass(kind, greenlet) or issubclass(kind, Hub):
        return False
    it = cast("greenlet", candidate)
    # One never started holds no stack; one without a parent is a thread's own, as is its hub, and
    # threads are counted anyway.
    return bool(it) and it.parent is not None


def _is_pending_task(candidate: object) -> bool:
    return (
        issubclass(type(candidate), asyncio.Task)
        and not cast("asyncio.Task[object]", candidate).done()
    )


def _sockets() -> dict[str, str]:
    found = {}
    for entry in _entries(_FILES):
        try:
            target = os.readlink(_FILES / entry)
        except FileNotFoundError:  # closed since it was listed
            continue
        if target.startswith("socket:"):
            found[target] = f"{target} (descriptor {entry})"
    return found


def _threads() -> dict[str, str]:
    found = {}
    for entry in _entries(_THREADS):
        try:
            name = (_THREADS / entry / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):  # ended since it was listed
            continue
        found[entry] = f"{entry} ({name})"
    return found


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:  # not Linux
        return []
