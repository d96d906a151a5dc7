"""Namespace: a database or collection, and the options that its commands inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bson.codec_options import CodecOptions

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.types import Document, ReadMode

__all__ = ["Namespace"]


class Namespace(NamedTuple):
    """Where a command goes and the options it inherits."""

    db: str
    collection: str
    """Empty for a database."""
    codec_options: CodecOptions[Any]
    read_preference: ReadMode
    write_concern: WriteConcern
    read_concern: Document
    """The read concern as sent; empty when it is the server's default."""

    @property
    def full_name(self) -> str:
        """The names of database and collection, joined with a dot."""
        return f"{self.db}.{self.collection}"
