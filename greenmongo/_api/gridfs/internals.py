"""What the async half of GridFS needs to do that the public classes do not offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from greenmongo._api.gridfs.bucket import GridFSBucket
    from greenmongo._api.gridfs.cursor import GridOutCursor
    from greenmongo._api.gridfs.download import Download
    from greenmongo._api.gridfs.grid_in import GridIn
    from greenmongo._api.gridfs.grid_out import GridOut
    from greenmongo._api.gridfs.upload import Upload
    from greenmongo._core.gridfs.reader import ReadSteps

__all__ = ["download_of", "file_of", "one_operation_of", "steps_of", "upload_of"]

P = ParamSpec("P")
T = TypeVar("T")


def upload_of(grid_in: GridIn) -> Upload:
    """Return what a file that is written does behind its face."""
    return grid_in._upload


def download_of(grid_out: GridOut) -> Download:
    """Return what a file that is read does behind its face."""
    return grid_out._download


def file_of(cursor: GridOutCursor, document: Any) -> GridOut:
    """Return the file whose document a cursor has found."""
    return cursor._file_of(document)


def one_operation_of(bucket: GridFSBucket) -> AbstractContextManager[None]:
    """Have what a bucket sends in a block share the time that one operation may take."""
    return bucket._files._executor.as_one_operation()


def steps_of(
    method: Callable[Concatenate[GridOut, P], T],
) -> Callable[Concatenate[GridOut, P], ReadSteps[T]]:
    """Return the steps of a method of `GridOut`, for who drives them himself. It must be open."""
    steps = method.__dict__["_steps"]
    return cast("Callable[Concatenate[GridOut, P], ReadSteps[T]]", steps)
