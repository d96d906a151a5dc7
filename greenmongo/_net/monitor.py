"""One greenlet per server, which checks it with hello over its own connection.

A server that can is asked once, and tells its news when there is some (streaming); others are asked
again and again (polling).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from pymongo.errors import AutoReconnect

from greenmongo._core.configured_timeouts import with_configured_timeouts
from greenmongo._core.heartbeat_reply import HelloReply
from greenmongo._core.hello import build_hello
from greenmongo._core.hello_reply import parse_hello
from greenmongo._core.reply import check_reply
from greenmongo._core.sdam.heartbeat import RoundTripTimes, delay_before_check, may_stream
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.types import format_address
from greenmongo._hub.upcall import spawn
from greenmongo._net.environment import environment_facts
from greenmongo._net.hello_stream import HelloStream
from greenmongo._net.rtt_monitor import RttMonitor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address, Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.connector import Connector
    from greenmongo._net.observers.topology import TopologyObserver

__all__ = ["CheckCancelled", "Monitor"]


class CheckCancelled(AutoReconnect):
    """The check was ended because an operation found out that the server cannot be reached."""


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
        events: TopologyObserver,
    ) -> None:
        self._address = address
        self._connector = connector
        self._options = options
        self._report = report
        self._report_failure = report_failure
        self._events = events
        self._may_stream = may_stream(options.server_monitoring_mode, environment_facts().environ)
        self._check_began: float | None = None
        self._is_awaited = False
        self._number = 0
        """The driver's own of the connection that there is, or is about to be."""
        self._connection: Connection | None = None
        self._topology_version: Mapping[str, Any] | None = None
        """From this connection's last reply, if it may stream."""
        self._rtt_monitor: RttMonitor | None = None
        """While hellos are streamed."""
        self._hello_ok = False
        self._times = RoundTripTimes()
        self._wanted = Event()
        self._greenlet = spawn(self._run)

    def request_check(self) -> None:
        """Have the server checked soon; at most twice a second."""
        self._wanted.set()

    def cancel_check(self) -> None:
        """End the check under way, and leave its connection; the next check is not hurried."""
        # Server Monitoring, "hello or legacy hello Cancellation"
        if self._check_began is None:
            self._disconnect()
        elif self._connection is not None:
            name = format_address(self._address)
            self._connection.stream.interrupt(CheckCancelled(f"{name}: the check was cancelled"))

    def stop(self) -> None:
        """End the greenlets and close the connections. Does not wait."""
        if self._check_began is not None:
            self._publish_failure(AutoReconnect("the monitor was stopped"))
        self._ensure_rtt_monitor(False)
        self._greenlet.kill(block=False)

    def abandon_after_fork(self) -> None:
        """Close this process's copies of the parent's sockets."""
        if self._connection is not None:
            self._connection.stream.abandon_after_fork()
        if self._rtt_monitor is not None:
            self._rtt_monitor.abandon_after_fork()

    def _run(self) -> None:
        try:
            while True:
                if self._check():
                    # A server that never stops talking must not keep the hub to itself.
                    gevent.sleep(0)
                else:
                    self._pause()
        finally:
            self._disconnect()

    def _pause(self) -> None:
        ended = monotonic()
        interval = self._options.heartbeat_interval
        # Server Monitoring, "heartbeatFrequencyMS" and "minHeartbeatFrequencyMS"
        self._wanted.wait(delay_before_check(ended, monotonic(), interval, requested=False))
        rest = delay_before_check(ended, monotonic(), interval, requested=True)
        if rest > 0:
            gevent.sleep(rest)
        self._wanted.clear()

    def _check(self) -> bool:
        """Check once; tell whether to check again at once."""
        self._check_began = monotonic()
        self._is_awaited = self._is_streaming
        if self._connection is None:
            self._number += 1
        try:
            self._events.heartbeat_started(
                self._address, self._number, self._connection, awaited=self._is_awaited
            )
            reply, duration = self._run_hello()
            check_reply(reply)
            description = self._describe(reply, duration)
        except Exception as error:
            # Server Monitoring, "Network or command error during server check"
            error = with_configured_timeouts(error, self._options)
            self._publish_failure(error)
            self._disconnect()
            self._times = RoundTripTimes()
            if isinstance(error, CheckCancelled):
                return False  # Whoever cancelled it has told of the failure.
            return self._report_failure(self._address, error)
        self._on_success(reply, description, duration)
        return self._is_streaming

    @property
    def _is_streaming(self) -> bool:
        """Whether the server answers the next hello when it has news, asked or unasked."""
        connection = self._connection
        return connection is not None and (
            self._topology_version is not None or connection.pending is not None
        )

    def _describe(self, reply: Document, duration: float) -> ServerDescription:
        # Server Monitoring, "Measuring RTT": a streamed hello measures how long news took.
        if not self._is_awaited:
            self._take_sample(duration)
        return parse_hello(
            self._address,
            reply,
            round_trip_time=self._times.average,
            min_round_trip_time=self._times.minimum,
            now=monotonic(),
        )

    def _on_success(self, reply: Document, description: ServerDescription, duration: float) -> None:
        self._hello_ok = bool(reply.get("helloOk", self._hello_ok))
        if self._may_stream:
            # Server Monitoring, "Feature Discovery": who sends a topologyVersion can stream.
            self._topology_version = description.topology_version
            self._ensure_rtt_monitor(self._is_streaming)
        if self._is_awaited:
            # The news that somebody wanted while the server was being listened to.
            self._wanted.clear()
        self._check_began = None
        answer = HelloReply(reply, description, awaitable=self._is_awaited)
        self._events.heartbeat_succeeded(
            self._address,
            self._number,
            self._connection,
            answer,
            duration,
            awaited=self._is_awaited,
        )
        self._report(description)

    def _take_sample(self, duration: float) -> None:
        self._times = self._times.with_sample(duration)

    def _publish_failure(self, error: Exception) -> None:
        began, self._check_began = self._check_began, None
        if began is not None:
            self._events.heartbeat_failed(
                self._address,
                self._number,
                self._connection,
                error,
                monotonic() - began,
                awaited=self._is_awaited,
            )

    def _run_hello(self) -> tuple[Document, float]:
        if self._connection is None:
            self._connection, reply, duration = self._connector.open_monitor(
                self._address, self._number
            )
            return reply, duration
        started = monotonic()
        if self._is_awaited:
            reply = self._await_hello(HelloStream(self._connection))
        else:
            document = build_hello(hello_ok=self._hello_ok, server_api=self._options.server_api)
            reply = self._connection.command(document)
        return reply, monotonic() - started

    def _await_hello(self, hellos: HelloStream) -> Document:
        interval, timeout = self._options.heartbeat_interval, self._options.connect_timeout
        # Server Monitoring, "Socket timeout"
        limit = timeout + interval if timeout else None
        if hellos.has_more:
            return hellos.read(limit)
        document = build_hello(
            hello_ok=self._hello_ok,
            server_api=self._options.server_api,
            topology_version=self._topology_version,
            max_await_time=interval,
        )
        return hellos.ask(document, limit)

    def _ensure_rtt_monitor(self, is_needed: bool) -> None:
        """Start or stop measuring round trips apart from the checks."""
        monitor = self._rtt_monitor
        if is_needed and monitor is None:
            self._rtt_monitor = RttMonitor(
                self._address, self._connector, self._options, take=self._take_sample
            )
        elif not is_needed and monitor is not None:
            self._rtt_monitor = None
            monitor.stop()

    def _disconnect(self) -> None:
        self._topology_version = None
        self._ensure_rtt_monitor(False)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
