"""The rules of a request, as pure transitions: nesting, and which member reads stay on.

A request belongs to one context. It counts its starts, and is over when as many ends have come.
Its reads stay on one member while the read preference (mode, tag sets, staleness) is unchanged
and the member still matches; writes never move that pin; a change of primary removes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.types import Address, ReadMode

__all__ = ["Affinity", "Pin"]


@dataclass(frozen=True, slots=True)
class Pin:
    """The member that served the last read, and the preference it was chosen by."""

    address: Address
    preference: ReadMode | None
    primary: Address | None
    """Who was primary then."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """How deep a request is nested, and its pin."""

    count: int = 0
    pin: Pin | None = None

    @property
    def is_active(self) -> bool:
        """Whether the context is in a request."""
        return self.count > 0

    def started(self) -> Affinity:
        """Return the state after one more `start_request`."""
        return replace(self, count=self.count + 1)

    def ended(self) -> Affinity:
        """Return the state after an `end_request`; surplus ends change nothing."""
        if self.count <= 1:
            return Affinity()
        return replace(self, count=self.count - 1)

    def member_for(self, preference: ReadMode | None, primary: Address | None) -> Address | None:
        """Return the member a read should stay on, or None to select afresh."""
        pin = self.pin
        if pin is None or pin.primary != primary or pin.preference != preference:
            return None
        return pin.address

    def after_read(
        self, address: Address, preference: ReadMode | None, primary: Address | None
    ) -> Affinity:
        """Return the state after a read that `address` answered."""
        pin = Pin(address, preference, primary)
        return self if pin == self.pin else replace(self, pin=pin)
