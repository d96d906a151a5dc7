"""Which indexes this client has made of late, so that `ensure_index` need not ask."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["IndexCache"]


@dataclass(slots=True)
class IndexCache:
    """Names of indexes, each until it expires. Knows nothing of what other clients drop."""

    _until: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def remember(self, db: str, collection: str, name: str, until: float) -> None:
        """Take note that there is such an index."""
        self._until[db, collection, name] = until

    def knows(self, db: str, collection: str, name: str, now: float) -> bool:
        """Tell whether there was such an index, not too long ago."""
        return now < self._until.get((db, collection, name), now)

    def forget(self, db: str, collection: str | None = None, name: str | None = None) -> None:
        """Forget one index, or all of a collection, or all of a database."""
        for known in list(self._until):
            if known[0] == db and collection in (None, known[1]) and name in (None, known[2]):
                self._until.pop(known, None)
