"""Namespace: a deployment, database or collection, with the options that commands inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bson.codec_options import CodecOptions

if TYPE_CHECKING:
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.types import ReadMode

__all__ = ["Namespace"]


class Namespace(NamedTuple):
    """Where a command goes and the options it inherits.

    Every client, database and collection has one.
    """

    db: str
    """Empty for a client."""
    collection: str
    """Empty for a client or a database."""
    codec_options: CodecOptions[Any]
    read_preference: ReadMode
    write_concern: WriteConcern
    read_concern: ReadConcern

    @property
    def full_name(self) -> str:
        """The names of database and collection, joined with a dot."""
        return f"{self.db}.{self.collection}"

    @property
    def options(self) -> tuple[CodecOptions[Any], ReadMode, WriteConcern, ReadConcern]:
        """The four options, in the order in which constructors take them."""
        return self[2:]

    def overridden(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Namespace:
        """Return the same with other options, where they are given."""
        return Namespace(
            self.db,
            self.collection,
            codec_options or self.codec_options,
            read_preference or self.read_preference,
            write_concern or self.write_concern,
            read_concern or self.read_concern,
        )
