"""What is alive after a client was closed that was not before there was one."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic, sleep

from tests.chaos.verdict import sockets_to
from tests.support.fix_leaks import leftovers, take_snapshot

__all__ = ["Leftovers"]

SETTLES_WITHIN = 10.0


class Leftovers:
    """Greenlets, threads and tasks from now on, and sockets to some ports.

    Other sockets are those of the servers that are restarted meanwhile.
    """

    def __init__(self, ports: list[int]) -> None:
        self._before = take_snapshot()
        self._ports = ports

    def found(self) -> list[str]:
        """Return what is left over, after some time to end in."""
        deadline = monotonic() + SETTLES_WITHIN
        while (found := self._find()) and monotonic() < deadline:
            sleep(0.05)
        return found

    def _find(self) -> list[str]:
        now = take_snapshot()
        found = leftovers(self._before, replace(now, sockets=self._before.sockets))
        open_to = {port: sockets_to(port) for port in self._ports}
        return found + [f"{count} sockets to {port}" for port, count in open_to.items() if count]
