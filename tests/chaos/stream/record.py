"""What writers wrote, as far as they know, and what each watcher saw, in its order.

It is filled from any thread, and judged when all is over; see `tests.chaos.stream.verdict`.
"""

from __future__ import annotations

from collections import defaultdict
from threading import Lock
from typing import Any, TypeAlias

__all__ = ["DATABASE", "END", "THINGS", "Record", "Version", "version_of"]

DATABASE, THINGS = "streams", "things"
END = "the end"
"""The document that is written last."""

Version: TypeAlias = tuple[str, int]
"""A document, and how often it was changed since it was inserted."""


class Record:
    """All versions of all documents."""

    def __init__(self) -> None:
        self.attempted: set[Version] = set()
        self.acknowledged: set[Version] = set()
        self.seen: dict[str, list[Version]] = defaultdict(list)
        """What each watcher saw; its own list."""
        self._lock = Lock()

    def attempts(self, *versions: Version) -> None:
        """Note that versions are to be written."""
        with self._lock:
            self.attempted.update(versions)

    def is_told(self, *versions: Version) -> None:
        """Note that the deployment has acknowledged versions."""
        with self._lock:
            self.acknowledged.update(versions)


def version_of(change: dict[str, Any]) -> Version | None:
    """Return what a change is about, if it is one of ours."""
    if change["ns"] != {"db": DATABASE, "coll": THINGS}:
        return None
    name = change["documentKey"]["_id"]
    if change["operationType"] == "insert":
        return name, change["fullDocument"]["n"]
    return name, change["updateDescription"]["updatedFields"]["n"]
