"""map_reduce and inline_map_reduce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic

from greenmongo._api.checked import field_of
from greenmongo._core.types import DocT
from greenmongo._legacy.collection.base import LegacyCollectionBase

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["MapReduce"]


class MapReduce(LegacyCollectionBase[DocT], Generic[DocT]):
    """Map and reduce, in JavaScript, on the server, which advises to aggregate instead."""

    def map_reduce(
        self, /, map: Any, reduce: Any, out: Any, full_response: bool = False, **options: Any
    ) -> Any:
        """Map and reduce into a collection and return that.

        Args:
            map: a JavaScript function, as text or `Code`.
            reduce: the same.
            out: the name of a collection, or a document that tells what to do with the results.
            full_response: return the server's whole answer. So do results that are not stored.
            **options: further fields of the command: `query`, `limit`, `scope`, ...

        Raises:
            TypeError: `out` is neither a string nor a document.
        """
        if not isinstance(out, str | Mapping):
            raise TypeError(f"out must be a string or a document, not {out!r}")
        reply = self.database.command(
            "mapReduce", self._name, map=map, reduce=reduce, out=out, **options
        )
        if full_response or "result" not in reply:
            return reply
        result = reply["result"]
        if isinstance(result, Mapping):
            database = self.database.client[field_of(result, "db", str)]
            return database[field_of(result, "collection", str)]
        return self.database[field_of(reply, "result", str)]

    def inline_map_reduce(
        self, /, map: Any, reduce: Any, full_response: bool = False, **options: Any
    ) -> list[Any] | Document:
        """Map and reduce and return the results as a list; a secondary may answer.

        Args:
            map: a JavaScript function, as text or `Code`.
            reduce: the same.
            full_response: return the server's whole answer.
            **options: further fields of the command: `query`, `limit`, `scope`, ...
        """
        options.setdefault("read_preference", self._namespace.read_preference)
        options.setdefault("codec_options", self._namespace.codec_options)
        reply = self.database.command(
            "mapReduce", self._name, map=map, reduce=reduce, out={"inline": 1}, **options
        )
        results: list[Any] = field_of(reply, "results", list)
        return reply if full_response else results
