"""What one caller does in its life, planned in advance: the same plan for every door."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

__all__ = ["Plan", "Turn"]


@dataclass(frozen=True)
class Turn:
    """One operation of a caller."""

    patience: float | None
    """Seconds after which the caller stops waiting, if it can; None for ever."""


@dataclass(frozen=True)
class Plan:
    """A caller's life: in which kind of request, with which turns, and how it ends."""

    request: str
    """none, ended, leaked or strict."""
    turns: list[Turn]
    raises: bool

    @classmethod
    def draw(cls, random: Random) -> Plan:
        """Return some plan."""
        (request,) = random.choices(["none", "ended", "leaked", "strict"], [40, 25, 20, 15])
        turns = [
            Turn(random.uniform(0.0005, 0.06) if random.random() < 0.12 else None)
            for _ in range(random.randrange(1, 16))
        ]
        return cls(request, turns, random.random() < 0.2)
