"""How a test of the unified format can end, other than by passing or with an error."""

from __future__ import annotations

__all__ = ["Mismatch", "NotApplicable", "Unsupported"]


class Mismatch(AssertionError):
    """Something is not as the test expects it."""


class NotApplicable(Exception):
    """No server here is what the test requires."""


class Unsupported(Exception):
    """The test uses what the driver does not have."""
