"""The options that clients, databases and collections of PyMongo 2.x let their users change.

What is derived from an object copies its options, then goes its own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.write_concern import WriteConcern

from greenmongo._api.configured import Configured
from greenmongo._core.read_modes import PRIMARY
from greenmongo._core.types import Document, ReadMode
from greenmongo._legacy._acknowledgement import as_write_concern
from greenmongo._legacy._read_preference import read_mode

__all__ = ["Settings"]


class Settings(Configured):
    """`safe`, `slave_okay`, `tag_sets` and their kin, to read and to set."""

    def _override(self, **options: Any) -> None:
        """Change what commands inherit from now on, and databases and collections to come."""
        self._namespace = self._namespace.overridden(**options)

    def _set_write_concern(self, write_concern: WriteConcern) -> None:
        self._override(write_concern=write_concern)

    @property
    def write_concern(self) -> WriteConcern:
        """When a write counts as done."""
        return self._namespace.write_concern

    @write_concern.setter
    def write_concern(self, value: WriteConcern | Mapping[str, Any]) -> None:
        concern = value if isinstance(value, WriteConcern) else as_write_concern(value)
        self._set_write_concern(concern)

    @property
    def safe(self) -> bool:
        """Whether writes are acknowledged."""
        return self._namespace.write_concern.acknowledged

    @safe.setter
    def safe(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"safe must be True or False, not {value!r}")
        if value != self.safe:
            self._set_write_concern(WriteConcern() if value else WriteConcern(w=0))

    def get_lasterror_options(self) -> Document:
        """Return what is asked for when a write is acknowledged: `w`, `wtimeout`, `j`, `fsync`."""
        return dict(self._namespace.write_concern.document)

    def set_lasterror_options(self, /, **options: Any) -> None:
        """Change what is asked for when a write is acknowledged.

        Raises:
            ConfigurationError: an option is unknown, or contradicts another.
        """
        as_write_concern(options)
        known = self._namespace.write_concern.document
        self._set_write_concern(as_write_concern({**known, **options}))

    def unset_lasterror_options(self, *options: str) -> None:
        """Take back some of what is asked for when a write is acknowledged, or all."""
        kept = self._namespace.write_concern.document if options else {}
        self._set_write_concern(
            as_write_concern({name: kept[name] for name in kept if name not in options})
        )

    @property
    def read_preference(self) -> ReadMode:
        """Which servers may answer reads; a number may be assigned too."""
        return self._namespace.read_preference

    @read_preference.setter
    def read_preference(self, value: ReadMode | int) -> None:
        self._override(read_preference=read_mode(value))

    @property
    def tag_sets(self) -> list[Mapping[str, Any]]:
        """The tag sets of the read preference."""
        return [dict(tags) for tags in self._namespace.read_preference.tag_sets]

    @tag_sets.setter
    def tag_sets(self, value: list[Mapping[str, Any]]) -> None:
        self._override(read_preference=read_mode(self._namespace.read_preference, value))

    @property
    def slave_okay(self) -> bool:
        """Whether reads may go to a secondary."""
        return self._namespace.read_preference.mode != PRIMARY

    @slave_okay.setter
    def slave_okay(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"slave_okay must be True or False, not {value!r}")
        if value != self.slave_okay:
            self.read_preference = 3 if value else 0

    @property
    def uuid_subtype(self) -> int:
        """The binary subtype that UUIDs are stored with: a value of `UuidRepresentation`."""
        return self._namespace.codec_options.uuid_representation

    @uuid_subtype.setter
    def uuid_subtype(self, value: int) -> None:
        changed = self._namespace.codec_options.with_options(uuid_representation=value)
        self._override(codec_options=changed)
