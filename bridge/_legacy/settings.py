"""The options that legacy clients, databases and collections let their users change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bridge._delegate import Facade, mirrors_property, of_subclass, wraps_result
from greenmongo.legacy import LegacyDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.write_concern import WriteConcern

    from greenmongo.lowlevel import ReadMode

__all__ = ["LegacySettings", "itself"]

T = TypeVar("T")


def itself(parent: Any, value: T) -> T:
    """Hand a value over that needs no async face."""
    return value


class LegacySettings(Facade[Any]):
    """What is set here is set on the blocking object: neither crosses nor waits."""

    safe = mirrors_property(LegacyDatabase, "safe")
    slave_okay = mirrors_property(LegacyDatabase, "slave_okay")
    tag_sets = mirrors_property(LegacyDatabase, "tag_sets")
    uuid_subtype = mirrors_property(LegacyDatabase, "uuid_subtype")

    @property
    def read_preference(self) -> ReadMode:
        """Which servers may answer reads; a number may be assigned too."""
        preference: ReadMode = self._sync.read_preference
        return preference

    @read_preference.setter
    def read_preference(self, value: ReadMode | int) -> None:
        self._sync.read_preference = value

    @property
    def write_concern(self) -> WriteConcern:
        """When a write counts as done."""
        concern: WriteConcern = self._sync.write_concern
        return concern

    @write_concern.setter
    def write_concern(self, value: WriteConcern | Mapping[str, Any]) -> None:
        self._sync.write_concern = value

    get_lasterror_options = wraps_result(itself)(of_subclass(LegacyDatabase.get_lasterror_options))
    set_lasterror_options = wraps_result(itself)(of_subclass(LegacyDatabase.set_lasterror_options))
    unset_lasterror_options = wraps_result(itself)(
        of_subclass(LegacyDatabase.unset_lasterror_options)
    )
