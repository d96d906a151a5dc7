"""A pool without a server: its connections lead to peers that the test holds. Hub side."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import gevent
from gevent import Greenlet
from gevent.event import Event
from gevent.hub import get_hub
from pymongo.errors import AutoReconnect

from greenmongo._core.pool_rules import (
    CONNECTION_CHANGES,
    ConnectionState,
    PendingConnection,
    PoolLimits,
)
from greenmongo._net.connection import Connection, Exchange
from greenmongo._net.deadlock import break_deadlock
from greenmongo._net.pool import Pool
from greenmongo._net.stream import Stream
from tests.support.hubside import ADDRESS, Peer, until

__all__ = ["Bench", "bench", "leave_reply_outstanding", "waiting", "warm_up"]


class StrictConnection(Connection):
    """A connection that reports each change of its state that the table does not have."""

    __slots__ = ("_now", "wrong_changes")

    def __init__(self, *args: Any) -> None:
        self._now = ConnectionState.PENDING
        self.wrong_changes: list[tuple[ConnectionState, ConnectionState]] = []
        super().__init__(*args)

    @property
    def state(self) -> ConnectionState:
        return self._now

    @state.setter
    def state(self, state: ConnectionState) -> None:
        if state is not self._now and state not in CONNECTION_CHANGES[self._now]:
            self.wrong_changes.append((self._now, state))
        self._now = state


class Bench:
    """A pool whose connections lead to peers that the test holds, by number."""

    def __init__(self, limits: PoolLimits) -> None:
        self.peers: dict[int, Peer] = {}
        self.connections: list[StrictConnection] = []
        self.connect_errors: list[Exception] = []
        self.draining: list[Connection] = []
        self.failure: Exception | None = None
        self.is_closed = False
        self.may_connect = Event()
        self.may_connect.set()
        self.pool = Pool(
            get_hub(),
            ADDRESS,
            limits,
            connect=self._connect,
            on_connect_error=lambda error, _: self.connect_errors.append(error),
            drain=lambda _, connection: self.draining.append(connection),
            break_deadlock=break_deadlock,
        )

    def _connect(self, pending: PendingConnection) -> Connection:
        number = pending.number
        self.may_connect.wait()
        gevent.sleep(0)
        if self.failure is not None:
            raise self.failure
        if self.is_closed:
            raise AutoReconnect("the test is over")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.peers[number] = Peer(theirs)
        stream = Stream(get_hub(), ours, ADDRESS)
        connection = StrictConnection(stream, number, pending.generation, None)
        self.connections.append(connection)
        return connection

    def close(self) -> None:
        self.is_closed = True
        self.pool.close()
        for peer in self.peers.values():
            peer.close()


@contextmanager
def bench(**limits: Any) -> Iterator[Bench]:
    defaults = {
        "max_size": 10,
        "min_size": 0,
        "max_connecting": 2,
        "max_idle_time": None,
        "wait_timeout": None,
    }
    made = Bench(PoolLimits(**(defaults | limits)))
    made.pool.ready()
    try:
        yield made
    finally:
        made.close()
    assert [each.wrong_changes for each in made.connections if each.wrong_changes] == []


def waiting(pool: Pool, count: int = 1, **kwargs: Any) -> list[Greenlet[..., Connection]]:
    """Put callers into the pool's line."""
    before = pool.waiting_count
    callers = [gevent.spawn(partial(pool.checkout, **kwargs)) for _ in range(count)]
    until(lambda: pool.waiting_count == before + count)
    return callers


def warm_up(pool: Pool, count: int) -> list[Connection]:
    """Leave `count` idle connections in the pool."""
    connections = [pool.checkout() for _ in range(count)]
    for connection in connections:
        pool.checkin(connection)
    return connections


def leave_reply_outstanding(connection: Connection) -> None:
    connection.pending = Exchange(1, None, is_exclusive=False)
