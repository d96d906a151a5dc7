"""The options that legacy clients, databases and collections let their users change."""

from __future__ import annotations

from typing import Any, TypeVar

from bridge._delegate import Facade, derives, own, reflects
from greenmongo.legacy import LegacyDatabase

__all__ = ["LegacySettings", "itself"]

T = TypeVar("T")


def itself(parent: Any, it: T) -> T:
    """Hand a value over that needs no async face."""
    return it


class LegacySettings(Facade[Any]):
    """What is set here is set on the blocking object: neither crosses nor waits."""

    read_preference = reflects(LegacyDatabase, "read_preference")
    safe = reflects(LegacyDatabase, "safe")
    slave_okay = reflects(LegacyDatabase, "slave_okay")
    tag_sets = reflects(LegacyDatabase, "tag_sets")
    uuid_subtype = reflects(LegacyDatabase, "uuid_subtype")
    write_concern = reflects(LegacyDatabase, "write_concern")

    get_lasterror_options = derives(itself)(own(LegacyDatabase.get_lasterror_options))
    set_lasterror_options = derives(itself)(own(LegacyDatabase.set_lasterror_options))
    unset_lasterror_options = derives(itself)(own(LegacyDatabase.unset_lasterror_options))
