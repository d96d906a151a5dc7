"""What buckets and `GridFS` share: revisions by name, and a download that goes to a file object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridfs.errors import NoFile

from greenmongo._api.gridfs.grid_out import GridOut
from greenmongo._api.gridfs.roots import files_in, refuse_transaction
from greenmongo._core.gridfs.layout import sort_and_skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greenmongo._api.collection import Collection
    from greenmongo._api.gridfs.download import Download
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["all_of", "find_revision"]


def find_revision(
    root: Collection[Any],
    query: Mapping[str, Any],
    filename: str | None,
    revision: int,
    session: SessionLike | None,
) -> GridOut:
    """Return one of the files that a query finds, by its place in the order of upload.

    Raises:
        NoFile: there is none.
    """
    refuse_transaction(session)
    direction, skip = sort_and_skip(revision)
    order = [("uploadDate", direction)]
    document = files_in(root).find_one(query, sort=order, skip=skip, session=session)
    if document is None:
        raise NoFile(f"no version {revision} for filename {filename!r}")
    return GridOut(root, file_document=document, session=session)


def all_of(download: Download) -> Iterator[bytes]:
    """Return the rest of an open file, in pieces. To be iterated over in the user's place."""
    reader = download.reader
    while data := download.run(reader.chunk_steps(reader.chunks_left)):
        yield data
    download.run(reader.end_steps())
