"""One server of the deployment: its pool, its monitor, and how busy it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.types import Address
    from greenmongo._net.monitor import Monitor
    from greenmongo._net.pool import Pool

__all__ = ["Server"]


class Server:
    """What belongs to one address. Hub side only."""

    __slots__ = ("address", "monitor", "operation_count", "pool")

    def __init__(self, address: Address, pool: Pool, monitor: Monitor | None) -> None:
        self.address = address
        self.pool = pool
        self.monitor = monitor
        """None behind a load balancer."""
        self.operation_count = 0
        """Operations of this client under way there."""

    def request_check(self) -> None:
        """Have the server checked soon."""
        if self.monitor is not None:
            self.monitor.request_check()

    def cancel_check(self) -> None:
        """End the check under way: an operation knows already what it would find."""
        if self.monitor is not None:
            self.monitor.cancel_check()

    def close(self) -> None:
        """Stop the monitor and close the pool."""
        if self.monitor is not None:
            self.monitor.stop()
        self.pool.close()

    def abandon_after_fork(self) -> None:
        """Close this process's copies of the parent's sockets."""
        if self.monitor is not None:
            self.monitor.abandon_after_fork()
        self.pool.abandon_after_fork()
