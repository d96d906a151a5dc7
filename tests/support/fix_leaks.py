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
        tasks={
            id(each): repr(each)
            for each in objects
            if isinstance(each, asyncio.Task) and not each.done()
        },
    )


def leftovers(before: Snapshot, after: Snapshot) -> list[str]:
    """Return a line for everything in `after` that was not there `before`."""
    found = []
    for kind in ("greenlets", "sockets", "threads", "tasks"):
        old, new = getattr(before, kind), getattr(after, kind)
        found += [f"{kind[:-1]} {new[key]}" for key in new.keys() - old.keys()]
    return found


def wait_until(condition: Callable[[], object], timeout: float = 5.0) -> None:
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


def check_leaks(before: Snapshot, timeout: float = 5.0) -> None:
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
    # One that was never started holds no stack. A hub lives as long as its thread, which is seen.
    return isinstance(candidate, greenlet) and bool(candidate) and not isinstance(candidate, Hub)


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
