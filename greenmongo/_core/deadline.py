"""A point in time by which an operation must have ended (client-side operations timeout)."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Deadline", "seconds_of"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """An absolute time on the monotonic clock, in seconds; `now` is always an argument."""

    at: float
    limit: float | None = field(default=None, compare=False)
    """The seconds that were given for the whole, as messages show them; None: nobody asks."""

    @classmethod
    def after(cls, seconds: float, now: float) -> Deadline:
        """Return the deadline `seconds` from `now`."""
        return cls(now + seconds, seconds)

    def remaining(self, now: float) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self.at - now)

    def has_passed(self, now: float) -> bool:
        """Tell whether no time is left."""
        return now >= self.at

    def as_max_time_ms(self, now: float, round_trip_time: float) -> int:
        """Return what the server may use: the time left less one round trip, in milliseconds.

        Zero or less means that sending the command cannot succeed in time.
        """
        return int((self.at - now - round_trip_time) * 1000)


def seconds_of(option: str, milliseconds: object) -> float:
    """Return an option's time in seconds.

    Raises:
        TypeError, ValueError: it is no time.
    """
    if not isinstance(milliseconds, (int, float)) or isinstance(milliseconds, bool):
        raise TypeError(f"{option} must be an int or a float, not {type(milliseconds)}")
    if not milliseconds >= 0:
        raise ValueError(f"{option} cannot be negative, but was {milliseconds}")
    return milliseconds / 1000
