"""Check the arguments of a find."""

from __future__ import annotations

from pymongo.errors import InvalidOperation

from greenmongo._core.commands.arguments import require_bool, require_document, require_mapping
from greenmongo._core.constants import CursorType, QueryFlag

__all__ = ["check_find", "find_flags", "require_batch_size", "require_milliseconds"]

CURSOR_TYPES = (
    CursorType.NON_TAILABLE,
    CursorType.TAILABLE,
    CursorType.TAILABLE_AWAIT,
    CursorType.EXHAUST,
)


def find_flags(
    cursor_type: int, no_cursor_timeout: bool, allow_partial_results: bool, oplog_replay: bool
) -> int:
    """Return the query flags that the arguments stand for.

    Raises:
        TypeError, ValueError: an argument has the wrong type or value.
    """
    require_bool("no_cursor_timeout", no_cursor_timeout)
    if cursor_type not in CURSOR_TYPES:
        raise ValueError("not a valid value for cursor_type")
    require_bool("allow_partial_results", allow_partial_results)
    require_bool("oplog_replay", oplog_replay)
    return (
        cursor_type
        | (QueryFlag.NO_TIMEOUT if no_cursor_timeout else 0)
        | (QueryFlag.PARTIAL if allow_partial_results else 0)
        | (QueryFlag.OPLOG_REPLAY if oplog_replay else 0)
    )


def check_find(
    query: object,
    skip: object,
    limit: object,
    batch_size: object,
    flags: int,
    allow_disk_use: object,
    let: object,
) -> None:
    """Refuse what a find cannot ask for.

    Raises:
        InvalidOperation: an exhaust cursor has a limit.
        TypeError, ValueError: an argument has the wrong type or value.
    """
    require_mapping("filter", query)
    require_size("skip", skip)
    require_size("limit", limit)
    require_batch_size(batch_size)
    if allow_disk_use is not None:
        require_bool("allow_disk_use", allow_disk_use)
    if let is not None:
        require_document("let", let)
    if flags & QueryFlag.EXHAUST and limit:
        raise InvalidOperation("Can't use limit and exhaust together.")


def require_size(option: str, value: object) -> None:
    """Refuse anything but an integer."""
    if not isinstance(value, int):
        raise TypeError(f"{option} must be an instance of int, not {type(value)}")


def require_batch_size(value: object) -> None:
    """Refuse anything but an integer that is not negative."""
    if not isinstance(value, int):
        raise TypeError(f"batch_size must be an integer, not {type(value)}")
    if value < 0:
        raise ValueError("batch_size must be >= 0")


def require_milliseconds(option: str, value: object) -> None:
    """Refuse anything but an integer or None."""
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{option} must be an integer or None, not {type(value)}")
