"""The turns of those who wait for news on a server: on half of its pool, one after another.

It is a gate before the pool. Whoever has a turn checks a connection out like everybody else, and
the turn ends when that is back: also if its caller has left, and the reply is still to come.
Connections that a request or a cursor keeps are no matter of turns. Hub side only.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import gevent
from gevent.hub import Waiter
from pymongo.errors import NetworkTimeout

from greenmongo._core.await_rules import await_time_ms, turns_of
from greenmongo._core.types import format_address
from greenmongo._hub.upcall import notify_caller
from greenmongo._net.observers.publisher import log

if TYPE_CHECKING:
    from gevent.hub import Hub

    from greenmongo._core.types import Address

__all__ = ["Await", "AwaitTurns"]

logger = logging.getLogger("greenmongo.client")

NOTICE = (
    "%s: more cursors wait for news (change streams, tailable cursors) than the %d connections "
    "that they may occupy of maxPoolSize=%d; they take turns, and events may arrive up to a second "
    "late. Raise maxPoolSize to twice their number to avoid that"
)


class Await:
    """One wait on the server: what a connection is used for.

    Args:
        seconds: after which the server answers.
        turns: where the turn goes back to; None if it needed none.
    """

    __slots__ = ("_turns", "seconds")

    def __init__(self, seconds: float, turns: AwaitTurns | None) -> None:
        self.seconds = seconds
        self._turns = turns

    def end(self) -> None:
        """Let the next one wait. Does not wait itself."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.give_back()


class _Entry:
    """One who waits for his turn."""

    __slots__ = ("has_turn", "waiter")

    def __init__(self, hub: Hub) -> None:
        self.waiter: Waiter[None] = Waiter(hub)
        self.has_turn = False
        """From the moment on that it is given: he runs later."""


class AwaitTurns:
    """Turns are taken in the order in which they are asked for."""

    def __init__(self, hub: Hub, address: Address, max_pool_size: int | None) -> None:
        self._hub = hub
        self._address = address
        self._max_pool_size = max_pool_size
        self._limit = None if max_pool_size is None else turns_of(max_pool_size)
        self._entries: deque[_Entry] = deque()
        self._has_told = False
        self.taken = 0
        """How many have a turn."""

    @property
    def waiting_count(self) -> int:
        """How many wait for their turn."""
        return len(self._entries)

    def take(self, timeout: float | None) -> None:
        """Wait for a turn.

        Raises:
            NetworkTimeout: it did not come in `timeout` seconds.
        """
        if self._limit is None or (self.taken < self._limit and not self._entries):
            self.taken += 1
            return
        self._tell()
        entry = _Entry(self._hub)
        self._entries.append(entry)
        try:
            with gevent.Timeout(timeout, NetworkTimeout(f"{self._name}: timed out in the queue")):
                entry.waiter.get()
        except BaseException:
            if entry.has_turn:
                self.give_back()
            else:
                self._entries.remove(entry)
            raise

    def give_back(self) -> None:
        """Give a turn to whoever waits longest. He runs in the loop's next round."""
        if not self._entries:
            self.taken -= 1
            return
        entry = self._entries.popleft()
        entry.has_turn = True
        self._hub.loop.run_callback(entry.waiter.switch, None)

    def await_time_ms(self, asked: int | None) -> int | None:
        """Return how long the server is to wait now, in milliseconds; None: as it likes."""
        if self._max_pool_size is None:
            return asked
        crowd = self.taken + len(self._entries)
        return await_time_ms(asked, crowd=crowd, max_pool_size=self._max_pool_size)

    @property
    def _name(self) -> str:
        return format_address(self._address)

    def _tell(self) -> None:
        """Tell the user, once, that his cursors share connections."""
        if not self._has_told:
            self._has_told = True
            told = partial(log, logger, logging.WARNING, NOTICE)
            notify_caller(partial(told, self._name, self._limit, self._max_pool_size))
