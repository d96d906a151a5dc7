"""Keeps the pools of one client in order: closes what is idle too long, opens the minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from greenmongo._hub.upcall import spawn

if TYPE_CHECKING:
    from greenmongo._core.options import ClientOptions
    from greenmongo._net.topology import Topology

__all__ = ["Housekeeper"]

INTERVAL = 1.0
"""Seconds between two rounds."""


class Housekeeper:
    """A greenlet that looks after the pools, if the options leave it anything to do."""

    def __init__(self, topology: Topology, options: ClientOptions) -> None:
        self._topology = topology
        self._greenlet: gevent.Greenlet[[], None] | None = None
        if options.max_idle_time is not None or options.min_pool_size:
            self._greenlet = spawn(self._run)

    def stop(self) -> None:
        """End the greenlet. Does not wait."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def _run(self) -> None:
        while True:
            gevent.sleep(INTERVAL)
            for server in list(self._topology.servers.values()):
                server.pool.tidy_up()
