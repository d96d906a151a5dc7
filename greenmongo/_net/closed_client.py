"""The error of whoever uses a client that is closed."""

from __future__ import annotations

from greenmongo._hub.errors import MisuseError

__all__ = ["used_after_close"]


def used_after_close() -> MisuseError:
    """Return the error to raise."""
    return MisuseError(
        "Cannot use MongoClient after close",
        "open a new client, or close this one when nobody needs it any more",
    )
