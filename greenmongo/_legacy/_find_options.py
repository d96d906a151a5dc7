"""The keywords of `find` in PyMongo 2.x, said with those of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError
from pymongo.read_preferences import SecondaryPreferred

from greenmongo._core.constants import QueryFlag
from greenmongo._legacy._read_preference import read_mode
from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from greenmongo._core.types import ReadMode

__all__ = ["Decoding", "FindArguments", "take_decoding", "take_origin", "translate_find"]

Decoding = dict[str, Any]
"""Changes to codec options."""

_RENAMED = {"spec": "filter", "spec_or_id": "filter", "fields": "projection"}
_MODIFIERS = {
    "$comment": "comment",
    "$hint": "hint",
    "$max": "max",
    "$maxScan": "max_scan",
    "$maxTimeMS": "max_time_ms",
    "$min": "min",
    "$orderby": "sort",
    "$returnKey": "return_key",
    "$showDiskLoc": "show_record_id",
    "$snapshot": "snapshot",
}
_FLAGS = {
    "tailable": QueryFlag.TAILABLE,
    "exhaust": QueryFlag.EXHAUST,
}


@dataclass(slots=True)
class FindArguments:
    """What a `find` of then asks for, sorted by who sees to it."""

    cursor: dict[str, Any] = field(default_factory=dict)
    """Keywords of today's `find`."""
    decoding: Decoding = field(default_factory=dict)
    read_preference: ReadMode | None = None
    """None: the collection's."""
    manipulate: bool = True
    network_timeout: float | None = None


def translate_find(given: Mapping[str, Any], inherited: ReadMode) -> FindArguments:
    """Sort the keywords of a find; those of today are left as they are.

    Args:
        given: the keywords, old and new.
        inherited: the collection's read preference, for tag sets that come alone.

    Raises:
        ConfigurationError: two of them contradict each other, or one has a wrong value.
        RemovedFromServer: no server knows such an option any more.
    """
    rest = dict(given)
    for old, new in _RENAMED.items():
        rename(rest, old, new)
    unwrap(rest)
    if rest.pop("max_scan", None):
        refuse("max_scan")
    arguments = FindArguments(rest)
    arguments.decoding = take_decoding(rest)
    arguments.read_preference = take_origin(rest, inherited)
    arguments.manipulate = bool(rest.pop("manipulate", True))
    arguments.network_timeout = positive_or_none(rest.pop("network_timeout", None))
    take_flags(rest)
    projection = rest.get("projection")
    if projection is not None and not projection:
        # No fields were none but the _id.
        rest["projection"] = {"_id": 1}
    if rest.pop("snapshot", None):
        if rest.get("hint") is not None or rest.get("sort"):
            raise ConfigurationError("snapshot contradicts hint and sort")
        # What it promised, no document twice, is what a scan of this index gives.
        rest["hint"] = {"_id": 1}
    return arguments


def rename(options: dict[str, Any], old: str, new: str) -> None:
    """Give an option its name of today."""
    value = options.pop(old, None)
    if value is None:
        return
    if options.get(new) is not None:
        raise ConfigurationError(f"{old} contradicts {new}: they are the same option")
    options[new] = value


def unwrap(options: dict[str, Any]) -> None:
    """Take a query out of its `$query` wrapper, and make options of what is wrapped with it."""
    wrapper = options.get("filter")
    if not isinstance(wrapper, Mapping) or "$query" not in wrapper:
        return
    for name, value in wrapper.items():
        today = "filter" if name == "$query" else _MODIFIERS.get(name)
        if today is None:
            raise ConfigurationError(f"unknown modifier beside $query: {name}")
        if today != "filter" and options.get(today) is not None:
            raise ConfigurationError(f"{name} contradicts {today}: they are the same option")
        options[today] = value


def take_flags(options: dict[str, Any]) -> None:
    """Replace the switches that were bits of a query."""
    timeout = options.pop("timeout", None)
    if timeout is not None:
        if not isinstance(timeout, bool):
            raise TypeError(f"timeout must be True or False, not {timeout!r}")
        options.setdefault("no_cursor_timeout", not timeout)
    flags = 0
    for name, bit in _FLAGS.items():
        if options.pop(name, False):
            flags |= bit
    if options.pop("await_data", False) and flags & QueryFlag.TAILABLE:
        flags |= QueryFlag.AWAIT_DATA
    if flags:
        if options.get("cursor_type"):
            raise ConfigurationError("cursor_type contradicts tailable, await_data and exhaust")
        options["cursor_type"] = flags
    if options.pop("partial", False):
        options["allow_partial_results"] = True


def take_decoding(options: dict[str, Any]) -> Decoding:
    """Take out what changes how documents are decoded, as changes to codec options."""
    decoding: Decoding = {}
    as_class = options.pop("as_class", None)
    if as_class is not None:
        decoding["document_class"] = as_class
    uuid_subtype = options.pop("uuid_subtype", None)
    if uuid_subtype is not None:
        decoding["uuid_representation"] = uuid_subtype
    if options.pop("compile_re", False):
        raise ConfigurationError(
            "compile_re=True is not possible: patterns come as bson.regex.Regex, call try_compile()"
        )
    return decoding


def take_origin(options: dict[str, Any], inherited: ReadMode) -> ReadMode | None:
    """Take out what tells which server may answer; None if nothing does."""
    given, tag_sets = options.pop("read_preference", None), options.pop("tag_sets", None)
    slave_okay = options.pop("slave_okay", False)
    if options.pop("secondary_acceptable_latency_ms", None) is not None:
        raise ConfigurationError(
            "secondary_acceptable_latency_ms is an option of the whole client, not of one query"
        )
    if given is None:
        given = SecondaryPreferred() if slave_okay else None
    if given is None and tag_sets is None:
        return None
    return read_mode(inherited if given is None else given, tag_sets)


def positive_or_none(timeout: Any) -> float | None:
    """Check a network_timeout, in seconds."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise ConfigurationError(f"network_timeout must be a positive number, not {timeout!r}")
    return float(timeout)
