"""The two collections of a bucket, with the options that GridFS needs, and their indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bson.codec_options import TypeRegistry
from pymongo.errors import ConfigurationError, InvalidOperation

from greenmongo._api.collection import Collection
from greenmongo._api.database import Database
from greenmongo._api.session_rules import is_in_transaction
from greenmongo._core.gridfs.layout import CHUNKS_INDEX, FILES_INDEX, has_index

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.sessions.client_session import SessionLike

__all__ = [
    "Indexes",
    "check_acknowledged",
    "chunks_in",
    "files_in",
    "refuse_transaction",
    "root_of",
]

ConfiguredT = TypeVar("ConfiguredT", Collection[Any], Database[Any])


def root_of(place: ConfiguredT) -> ConfiguredT:
    """Return a database or collection without codecs for types of the user's, as PyMongo does."""
    options = place.codec_options.with_options(type_registry=TypeRegistry())
    return place.with_options(codec_options=options)


def files_in(root: Collection[Any]) -> Collection[Any]:
    """Return the collection of the files' documents."""
    return root["files"]


def chunks_in(root: Collection[Any]) -> Collection[Any]:
    """Return the collection of the chunks, which are nobody's business but GridFS's."""
    options = root.codec_options.with_options(document_class=dict)
    return root["chunks"].with_options(codec_options=options)


def check_acknowledged(write_concern: WriteConcern, whose: str) -> None:
    """Refuse to write without knowing what became of it.

    Raises:
        ConfigurationError: so it would be.
    """
    if not write_concern.acknowledged:
        raise ConfigurationError(f"{whose} must use acknowledged write_concern")


def refuse_transaction(session: SessionLike | None) -> None:
    """Refuse to be part of a transaction, as PyMongo does.

    Raises:
        InvalidOperation: there is one.
    """
    if is_in_transaction(session):
        raise InvalidOperation("GridFS does not support multi-document transactions")


class Indexes:
    """Sees to the indexes before the first write of a bucket. Any side; it blocks."""

    def __init__(self) -> None:
        self._are_there = False

    def ensure(
        self, files: Collection[Any], chunks: Collection[Any], session: SessionLike | None
    ) -> None:
        """Create the indexes if there are none and no files (GridFS, "Before write operations").

        Args:
            files: the collection of the files' documents, to be read from the primary.
            chunks: that of the chunks, likewise.
            session: the session to run in.
        """
        if self._are_there:
            return
        if files.find_one(projection={"_id": 1}, session=session) is None:
            if not has_index(files.list_indexes(session), FILES_INDEX):
                files.create_index(list(FILES_INDEX.items()), session=session)
            if not has_index(chunks.list_indexes(session), CHUNKS_INDEX):
                chunks.create_index(list(CHUNKS_INDEX.items()), session=session, unique=True)
        self._are_there = True
