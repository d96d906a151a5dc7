"""Finds the hosts behind a `mongodb+srv://` name, and sees them come and go. Hub side only."""

from __future__ import annotations

import random
from copy import copy
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from pymongo.errors import ConfigurationError, ServerSelectionTimeoutError

from greenmongo._core.options.srv import (
    choose_hosts,
    read_txt,
    rescan_delay,
    usable_hosts,
    verified_hosts,
)
from greenmongo._hub.upcall import spawn
from greenmongo._net.dns_records import look_up_hosts, look_up_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.options.srv import SrvOptions
    from greenmongo._core.types import Address

__all__ = ["SeedList"]

_LOOK_UP_TIMEOUT = 20.0
"""Seconds for one look-up where connectTimeoutMS sets no limit, as PyMongo has it."""


class SeedList:
    """Looks the records of a client's name up: once to begin with, then now and then.

    A look-up that fails is reported to those who wait for it; the next who waits starts another.

    Args:
        options: with an `srv` and no hosts.
        begin: given the options with hosts, after the first look-up.
        is_watched: asked whether hosts that come or go are still of interest.
        update: given the hosts that may be used, after each later look-up.
    """

    def __init__(
        self,
        options: ClientOptions,
        srv: SrvOptions,
        *,
        begin: Callable[[ClientOptions], object],
        is_watched: Callable[[], bool],
        update: Callable[[Sequence[Address]], object],
    ) -> None:
        self._options = options
        self._srv = srv
        self._begin = begin
        self._is_watched = is_watched
        self._update = update
        self._timeout = options.connect_timeout or _LOOK_UP_TIMEOUT
        self._is_known = False
        self._outcome = _Outcome()
        self._greenlet = spawn(self._run, self._outcome)

    def wait(self, timeout: float) -> None:
        """Wait until the hosts are known.

        Raises:
            ConfigurationError: the name has no records, or they make no sense.
            ServerSelectionTimeoutError: `timeout` seconds were over first.
        """
        if self._is_known:
            return
        if self._outcome.is_over.is_set():
            self._outcome = _Outcome()
            self._greenlet = spawn(self._run, self._outcome)
        outcome = self._outcome
        if not outcome.is_over.wait(timeout):
            raise ServerSelectionTimeoutError(
                f"No servers found yet, Timeout: {timeout:g}s: the hosts of {self._srv.fqdn!r} are"
                " still being looked up"
            )
        if outcome.error is not None:
            # A copy for each who waits: they run in different greenlets.
            raise copy(outcome.error) from outcome.error

    def close(self) -> None:
        """End the greenlet, and whoever waits for it. Does not wait."""
        self._greenlet.kill(block=False)
        self._outcome.is_over.set()

    def _run(self, outcome: _Outcome) -> None:
        try:
            ttl = self._find()
        except Exception as error:
            outcome.error = error
            return
        finally:
            outcome.is_over.set()
        self._watch(rescan_delay(ttl))

    def _find(self) -> float:
        """Look up what the client begins with; return for how many seconds that holds."""
        srv = self._srv
        records = look_up_hosts(srv.query, self._timeout)
        told = read_txt(look_up_texts(srv.fqdn, self._timeout))
        hosts = choose_hosts(verified_hosts(srv, records.hosts), srv.max_hosts, random.sample)
        self._begin(self._options.with_hosts(hosts, told))
        self._is_known = True
        return records.ttl

    def _watch(self, delay: float) -> None:
        """Look the hosts up again and again (Polling SRV Records)."""
        while self._is_watched():
            gevent.sleep(delay)
            if self._is_watched():
                delay = self._look_again()

    def _look_again(self) -> float:
        """Look the hosts up; return the seconds until the next time."""
        try:
            records = look_up_hosts(self._srv.query, self._timeout)
        except ConfigurationError:
            # What is known stays; the DNS may be back soon.
            return self._options.heartbeat_interval
        hosts = usable_hosts(self._srv, records.hosts)
        if not hosts:
            return self._options.heartbeat_interval
        self._update(hosts)
        return rescan_delay(records.ttl)


class _Outcome:
    """How one look-up ended."""

    def __init__(self) -> None:
        self.is_over = Event()
        self.error: Exception | None = None
