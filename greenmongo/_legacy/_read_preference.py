"""Read preferences as PyMongo 2.x wrote them: a number, and tag sets beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)

from greenmongo._core.read_modes import (
    NEAREST,
    PRIMARY,
    PRIMARY_PREFERRED,
    SECONDARY,
    SECONDARY_PREFERRED,
)

if TYPE_CHECKING:
    from greenmongo._core.types import ReadMode

__all__ = ["MODE_NUMBERS", "read_mode"]

MODES: tuple[type[ReadMode], ...] = (
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
    Nearest,
)
"""By their number since PyMongo 2.3 (in 2.2, 1 was what `SecondaryPreferred` is now)."""

MODE_NUMBERS = {
    "primary": PRIMARY,
    "primaryPreferred": PRIMARY_PREFERRED,
    "secondary": SECONDARY,
    "secondaryPreferred": SECONDARY_PREFERRED,
    "nearest": NEAREST,
}


def read_mode(given: Any, tag_sets: Any = None) -> ReadMode:
    """Return the read preference that a number, or an object, and tag sets describe.

    Tag sets that are given replace those of the object.

    Raises:
        ConfigurationError: there is no such mode, or it takes no such tag sets.
    """
    if isinstance(given, MODES) and tag_sets is None:
        return given
    kind = mode_of(given)
    check_tag_sets(tag_sets, kind)
    return Primary() if kind is Primary else kind(tag_sets)  # type: ignore[call-arg]


def mode_of(given: Any) -> type[ReadMode]:
    """Return the class of a read preference given as a number or an object."""
    if isinstance(given, MODES):
        return type(given)
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(MODES):
        return MODES[given]
    raise ConfigurationError(f"read_preference must be a mode or 0 to 4, not {given!r}")


def check_tag_sets(tag_sets: Any, kind: type[ReadMode]) -> None:
    """Refuse what is no list of tag sets, and tags with a mode that has no use for them."""
    if tag_sets is None:
        return
    is_list = isinstance(tag_sets, list | tuple) and len(tag_sets) > 0
    if not is_list or not all(isinstance(tags, Mapping) for tags in tag_sets):
        raise ConfigurationError(
            f"tag_sets must be a list of dicts that is not empty, not {tag_sets!r}"
        )
    if kind is Primary and any(tag_sets):
        raise ConfigurationError("tag_sets cannot be combined with read preference PRIMARY")
