"""Indexes of PyMongo 2.x: those made of late are remembered, so that `ensure_index` is cheap."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic

from greenmongo._core.commands.arguments import index_name, index_pairs
from greenmongo._core.types import DocT
from greenmongo._legacy.collection.base import LegacyCollectionBase
from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from greenmongo._core.commands.arguments import IndexKeys
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["LegacyIndexes"]

CACHE_FOR = 300
"""Seconds."""


class LegacyIndexes(LegacyCollectionBase[DocT], Generic[DocT]):
    """Create and drop indexes, and remember that."""

    def create_index(
        self,
        /,
        keys: IndexKeys,
        session: SessionLike | float | None = None,
        comment: Any | None = None,
        **options: Any,
    ) -> str:
        """Create one index and return its name.

        Args:
            keys: a field, or a list of (field, direction) pairs.
            session: the session to run in. A number here is `cache_for`.
            comment: shown in the server's logs and profiles.
            **options: the index's options: `name`, `unique`, `expireAfterSeconds`, ... And
                `cache_for`, also as `ttl`: the seconds for which `ensure_index` then does nothing.

        Raises:
            OperationFailure: an index of the same name or keys has other options.
            RemovedFromServer: `drop_dups` of a unique index, or a geoHaystack index.
        """
        modern = modern_index_options(options)
        cache_for = modern.pop("cache_for", CACHE_FOR)
        if isinstance(session, int | float):
            session, cache_for = None, session
        name = super().create_index(keys, session, comment, **modern)
        self.database.client._index_cache.remember(
            self.database.name, self._name, name, monotonic() + cache_for
        )
        return name

    def ensure_index(
        self, /, key_or_list: IndexKeys, cache_for: float = CACHE_FOR, **options: Any
    ) -> str | None:
        """Create an index unless this client did so a while ago.

        Args:
            key_or_list: a field, or a list of (field, direction) pairs.
            cache_for: the seconds for which another call does nothing, also as `ttl`.
            **options: the index's options.

        Returns:
            The index's name, or None if nothing was done.

        Raises:
            RemovedFromServer: `drop_dups` of a unique index, or a geoHaystack index.
        """
        modern = modern_index_options({"cache_for": cache_for, **options})
        name = modern.get("name") or index_name(index_pairs(key_or_list))
        cache = self.database.client._index_cache
        if cache.knows(self.database.name, self._name, name, monotonic()):
            return None
        return self.create_index(key_or_list, **modern)

    def drop_index(
        self,
        /,
        index_or_name: IndexKeys,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **options: Any,
    ) -> None:
        """Drop one index, by its name or its keys, and forget it.

        Raises:
            OperationFailure: there is no such index.
        """
        name = index_or_name
        if not isinstance(name, str):
            name = index_name(index_pairs(index_or_name))
        self.database.client._index_cache.forget(
            self.database.name, self._name, None if name == "*" else name
        )
        super().drop_index(index_or_name, session, comment, **options)

    def drop(
        self,
        session: SessionLike | None = None,
        comment: Any | None = None,
        encrypted_fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Drop this collection, and forget its indexes; not an error if it does not exist."""
        self.database.client._index_cache.forget(self.database.name, self._name)
        super().drop(session, comment, encrypted_fields)

    def reindex(self) -> Document:
        """Build all indexes anew and return the server's answer. Standalone servers only.

        Raises:
            OperationFailure: the server is a member of a replica set.
        """
        reply: Document = self.database.command("reIndex", self._name)
        return reply


def modern_index_options(options: Mapping[str, Any]) -> Document:
    """Return the options of an index without those that only PyMongo 2.x knew."""
    rest = dict(options)
    ttl = rest.pop("ttl", None)
    if ttl is not None:
        rest["cache_for"] = ttl
    if any(rest.pop(name, None) is not None for name in ("bucket_size", "bucketSize")):
        refuse("geoHaystack")
    wants_drop = [bool(rest.pop(name, False)) for name in ("drop_dups", "dropDups")]
    if any(wants_drop):
        if rest.get("unique"):
            refuse("dropDups")
        warnings.warn("drop_dups has no effect without unique", DeprecationWarning, stacklevel=3)
    return rest
