"""The event loop of a process that has none: for coroutines that blocking code waits for.

A web server on greenlets or threads runs no loop, and its views may want a library that is async.
The first `block_on` that knows no other loop starts this one, in a native thread of its own. It
ends with the process: its tasks are cancelled, and what they clean up is waited for. A forked child
starts one of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from threading import current_thread

from bridge.errors import LoopClosed
from greenmongo.lowlevel import (
    OneShot,
    allocate_native_lock,
    new_one_shot,
    start_native_thread,
)

__all__ = ["process_loop"]

EXIT_TIMEOUT = 2.0
"""Seconds that the end of the process waits for the loop's tasks."""

PATIENCE = 1.0
"""Seconds between two looks at whether the thread has started."""


class _ProcessLoop:
    """The loop and its thread."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._is_exiting = False
        self._lock = allocate_native_lock()
        self._waiting: list[OneShot] = []
        """Who waits for the loop to start."""
        self._running = allocate_native_lock()
        """Held while there is a thread."""
        self._stop: asyncio.Event | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the loop, starting it if need be."""
        while (loop := self.loop) is None:
            if self._is_exiting:
                raise LoopClosed("the process ends, and its event loop with it")
            shot = new_one_shot("block_on()")
            with self._lock:
                self._waiting.append(shot)
                is_first = self._running.acquire(False)
            if is_first:
                self._start()
            elif self.loop is not None:
                # It has told those who came before.
                continue
            while not shot.wait(PATIENCE):
                continue
            _, error = shot.result()
            if error is not None:
                raise error
        return loop

    def _start(self) -> None:
        try:
            start_native_thread(self._run, ())
        except (RuntimeError, MemoryError) as error:
            self._has_ended(error)

    def _run(self) -> None:
        # Log records and debuggers show it.
        current_thread().name = "greenmongo-loop"
        reason: Exception = LoopClosed("the event loop of the process has ended")
        try:
            asyncio.run(self._serve())
        except Exception as error:
            reason = error
        finally:
            self._has_ended(reason)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        with self._lock:
            self.loop = asyncio.get_running_loop()
            waiting, self._waiting = self._waiting, []
        for shot in waiting:
            shot.set(None, None)
        await self._stop.wait()

    def _has_ended(self, reason: Exception) -> None:
        with self._lock:
            self.loop = None
            waiting, self._waiting = self._waiting, []
            self._running.release()
        for shot in waiting:
            shot.set(None, reason)

    def end(self, timeout: float) -> None:
        """Cancel the loop's tasks and wait for the end of its thread. Any other thread."""
        self._is_exiting = True
        loop, stop = self.loop, self._stop
        if loop is None or stop is None:
            return
        try:
            loop.call_soon_threadsafe(stop.set)
        except RuntimeError:
            # It was closed at this very moment.
            return
        self._running.acquire(True, timeout)


class _ProcessState:
    def __init__(self) -> None:
        self.of_process = _ProcessLoop()


_state = _ProcessState()


def process_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process, which runs in a thread of its own. Any side; waits.

    Raises:
        LoopClosed: the process ends.
        RuntimeError: no thread can be started.
    """
    return _state.of_process.get()


def _end_at_exit() -> None:
    _state.of_process.end(EXIT_TIMEOUT)


def _forget_after_fork() -> None:
    _state.of_process = _ProcessLoop()


atexit.register(_end_at_exit)
os.register_at_fork(after_in_child=_forget_after_fork)
