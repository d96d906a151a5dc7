"""The keywords of `command` in PyMongo 2.x: the command's, and the driver's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo.read_preferences import Primary

from greenmongo._core.server_codes import NAMESPACE_NOT_FOUND
from greenmongo._legacy._find_options import Decoding, take_decoding, take_origin

if TYPE_CHECKING:
    from greenmongo._core.types import ReadMode

__all__ = ["CommandArguments", "is_allowable", "translate_command"]

_OF_NO_USE = ("network_timeout", "secondary_acceptable_latency_ms")
"""They mattered to the driver of then; a command that is sent with them is refused."""
_MISSING = {"ns not found", "ns missing"}


@dataclass(frozen=True, slots=True)
class CommandArguments:
    """What a `command` of then asks for, sorted by who sees to it."""

    fields: dict[str, Any]
    """What is sent."""
    decoding: Decoding
    read_preference: ReadMode | None


def translate_command(given: Mapping[str, Any]) -> CommandArguments:
    """Sort the keywords of a command.

    Raises:
        ConfigurationError: one of the driver's has a wrong value.
    """
    rest = {name: value for name, value in given.items() if name not in _OF_NO_USE}
    return CommandArguments(rest, take_decoding(rest), take_origin(rest, Primary()))


def is_allowable(details: Mapping[str, Any], allowable: Sequence[str | int]) -> bool:
    """Tell whether the caller said that this failure is none, by its message or its code."""
    if details.get("errmsg") in allowable or details.get("code") in allowable:
        return True
    return details.get("code") == NAMESPACE_NOT_FOUND and not _MISSING.isdisjoint(allowable)
