"""Builders: one module per family of commands, each function returns a `Command`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.types import Document, ReadMode

__all__ = ["Target", "reply_codec"]


@dataclass(slots=True)
class Target:
    """Where a command goes and the options it inherits. Treat it as immutable."""

    db: str
    name: str
    """The collection's name; empty for a database."""
    codec_options: CodecOptions[Any]
    read_preference: ReadMode
    write_concern: WriteConcern
    read_concern: Document
    """The read concern as sent; empty when it is the server's default."""

    @property
    def namespace(self) -> str:
        """The database and collection, joined with a dot."""
        return f"{self.db}.{self.name}"


def reply_codec(codec_options: CodecOptions[Any]) -> CodecOptions[Any]:
    """Return how a reply holding only scattered user values (keys, ids) is decoded."""
    if codec_options is DEFAULT_CODEC_OPTIONS or codec_options == DEFAULT_CODEC_OPTIONS:
        return DEFAULT_CODEC_OPTIONS
    return codec_options.with_options(document_class=dict, unicode_decode_error_handler="replace")
