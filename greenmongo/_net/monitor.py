"""One greenlet per server, which checks it with hello over its own connection (SDAM, polling)."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from pymongo.errors import AutoReconnect

from greenmongo._core.hello import build_hello, parse_hello
from greenmongo._core.hello_reply import HelloReply
from greenmongo._core.reply import check_reply
from greenmongo._core.sdam.description import ServerDescription
from greenmongo._core.sdam.heartbeat import RoundTripTimes, delay_before_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address, Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.connector import Connector
    from greenmongo._net.topology_events import TopologyEvents

__all__ = ["Monitor"]


class Monitor:
    """Checks one server until stopped. Hub side only.

    Args:
        report: told what each successful check found.
        report_failure: told of each failed check; answers whether to check again at once.
        events: told of each check as it begins and ends.
    """

    def __init__(
        self,
        address: Address,
        connector: Connector,
        options: ClientOptions,
        *,
        report: Callable[[ServerDescription], object],
        report_failure: Callable[[Address, Exception], bool],
        events: TopologyEvents,
    ) -> None:
        self._address = address
        self._connector = connector
        self._options = options
        self._report = report
        self._report_failure = report_failure
        self._events = events
        self._check_began: float | None = None
        self._opened = 0
        self._connection: Connection | None = None
        self._hello_ok = False
        self._times = RoundTripTimes()
        self._wanted = Event()
        self._greenlet = gevent.spawn(self._run)

    def request_check(self) -> None:
        """Have the server checked soon; at most twice a second."""
        self._wanted.set()

    def stop(self) -> None:
        """End the greenlet and close the connection. Does not wait."""
        if self._check_began is not None:
            self._tell_failure(AutoReconnect("the monitor was stopped"))
        self._greenlet.kill(block=False)

    def abandon_after_fork(self) -> None:
        """Close this process's copy of the parent's socket."""
        if self._connection is not None:
            self._connection.stream.abandon_after_fork()

    def _run(self) -> None:
        try:
            while True:
                again = self._check()
                if not again:
                    self._pause()
        finally:
            self._disconnect()

    def _pause(self) -> None:
        ended = monotonic()
        interval = self._options.heartbeat_interval
        self._wanted.wait(delay_before_check(ended, monotonic(), interval, requested=False))
        rest = delay_before_check(ended, monotonic(), interval, requested=True)
        if rest > 0:
            gevent.sleep(rest)
        self._wanted.clear()

    def _check(self) -> bool:
        """Check once; tell whether to check again at once."""
        self._check_began = monotonic()
        try:
            self._events.heartbeat_started(self._address, self._connection)
            reply, duration = self._say_hello()
            check_reply(reply)
        except Exception as error:
            self._tell_failure(error)
            self._disconnect()
            self._times = RoundTripTimes()
            return self._report_failure(self._address, error)
        self._times = self._times.with_sample(duration)
        self._hello_ok = bool(reply.get("helloOk", self._hello_ok))
        description = parse_hello(
            self._address,
            reply,
            round_trip_time=self._times.average,
            min_round_trip_time=self._times.minimum,
            now=monotonic(),
        )
        self._check_began = None
        self._events.heartbeat_succeeded(
            self._address, self._connection, HelloReply(reply, description), duration
        )
        self._report(description)
        return False

    def _tell_failure(self, error: Exception) -> None:
        began, self._check_began = self._check_began, None
        if began is not None:
            self._events.heartbeat_failed(
                self._address, self._connection, error, monotonic() - began
            )

    def _say_hello(self) -> tuple[Document, float]:
        if self._connection is None:
            self._opened += 1
            self._connection, reply, duration = self._connector.open_monitor(
                self._address, self._opened
            )
            return reply, duration
        started = monotonic()
        document = build_hello(hello_ok=self._hello_ok, server_api=self._options.server_api)
        reply = self._connection.command(document)
        return reply, monotonic() - started

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
