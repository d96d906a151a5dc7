"""What a bulk write had written before it ended with an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["remember_progress", "written_before"]

_ATTRIBUTE = "_greenmongo_written"


def remember_progress(error: BaseException, result: Document | None) -> None:
    """Keep with an error what had been written; of loads in a load, the innermost counts."""
    error.__dict__.setdefault(_ATTRIBUTE, result)


def written_before(error: BaseException) -> Document | None:
    """Return what a bulk write had written before it ended with this error.

    For whatever ends `insert_many` and `bulk_write`: an error of the server or of the network, a
    document that cannot be encoded, what the iterable raised, or that the caller was cancelled or
    killed. What was under way at that moment is not in it, and may have been written or not.

    Returns:
        A document like the `details` of BulkWriteError: `nInserted`, `nMatched`, `nModified`,
        `nRemoved`, `nUpserted`, `upserted`, `writeErrors` and `writeConcernErrors`. Of a client's
        `bulk_write` like those of ClientBulkWriteException. None if the error is of something
        else, or the write was unacknowledged, so that nobody knows.
    """
    result: Document | None = error.__dict__.get(_ATTRIBUTE)
    return result
