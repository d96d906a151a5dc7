"""Collection: its reads, writes and indexes, and the collection as a whole."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from greenmongo._api.change_stream import ChangeStream, CollectionChangeStream
from greenmongo._api.checked import field_of, run_checked
from greenmongo._api.collection.bulk_writes import BulkWrites
from greenmongo._api.collection.find_and_modify import FindAndModify
from greenmongo._api.collection.indexes import Indexes
from greenmongo._api.collection.reads import Reads
from greenmongo._api.collection.search_indexes import SearchIndexes
from greenmongo._api.collection.writes import Writes
from greenmongo._api.configured import not_callable
from greenmongo._api.dropping import drop
from greenmongo._api.timed import timed
from greenmongo._api.watching import Watching
from greenmongo._core.commands.admin import rename_collection
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import ReadMode

__all__ = ["Collection"]

OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class Collection(
    Reads[DocT],
    Writes[DocT],
    BulkWrites[DocT],
    FindAndModify[DocT],
    Indexes[DocT],
    SearchIndexes[DocT],
    Watching[DocT],
    Generic[DocT],
):
    """A collection of documents. Creating one does no I/O; it may not exist on the server.

    `collection.name` and `collection["name"]` are the collection named `"collection.name"`.
    """

    _change_stream_class: ClassVar[type[ChangeStream[Any]]] = CollectionChangeStream

    def _watched(self, codec_options: CodecOptions[Any]) -> tuple[Collection[Any], Namespace]:
        namespace = self._namespace.overridden(codec_options)
        return self.with_options(codec_options), namespace

    @overload
    def with_options(
        self,
        codec_options: None = None,
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
        *,
        timeout_ms: float | None = ...,
    ) -> Collection[DocT]: ...

    @overload
    def with_options(
        self,
        codec_options: CodecOptions[OtherT],
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
        *,
        timeout_ms: float | None = ...,
    ) -> Collection[OtherT]: ...

    def with_options(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> Collection[Any]:
        """Return the same collection with other options.

        Args:
            codec_options: how documents are encoded and decoded.
            read_preference: which servers may answer reads.
            write_concern: when a write counts as done.
            read_concern: which data reads may see.
            timeout_ms: the milliseconds that an operation may take, in place of the client's
                timeoutMS; 0 is for ever. What is reached through this collection inherits it.

        Raises:
            TypeError, ValueError: an argument has the wrong type or value.
        """
        options = self._namespace.overridden(
            codec_options, read_preference, write_concern, read_concern
        ).options
        same: Collection[Any] = self._database._collection_class(
            self._database, self._name, *options
        )
        same._executor = timed(self._executor, timeout_ms)
        return same

    def options(
        self, session: SessionLike | None = None, comment: Any | None = None
    ) -> MutableMapping[str, Any]:
        """Return the options this collection was created with; empty if it does not exist."""
        found = self._database.list_collections(
            session=session, filter={"name": self._name}, comment=comment
        )
        information: Mapping[str, Any] = next(found, {})
        options: dict[str, Any] = (
            dict(field_of(information, "options", dict)) if "options" in information else {}
        )
        options.pop("create", None)
        return options

    def rename(
        self,
        /,
        new_name: str,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> MutableMapping[str, Any]:
        """Rename this collection; this object keeps the old name.

        Args:
            new_name: the new name, in the same database.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: `dropTarget=True` replaces a collection of that name.

        Raises:
            InvalidName: no collection can have that name.
            OperationFailure: the collection does not exist, or the new name is taken.
        """
        command = rename_collection(self._namespace, new_name, comment=comment, options=kwargs)
        return run_checked(self._executor, command, session).document

    def drop(
        self,
        session: SessionLike | None = None,
        comment: Any | None = None,
        encrypted_fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Drop this collection; not an error if it does not exist."""
        drop(self._executor, self._namespace, session, comment, encrypted_fields)

    def __getattr__(self, name: str) -> Collection[DocT]:
        if name.startswith("_"):
            full_name = f"{self._name}.{name}"
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {full_name} "
                f"collection, use database['{full_name}']."
            )
        return self[name]

    def __getitem__(self, name: str) -> Collection[DocT]:
        name = f"{self._name}.{name}"
        part: Collection[DocT] = self._database._collection_class(
            self._database, name, *self._namespace.options
        )
        part._executor = self._executor
        return part

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Explain that there is no such method: what was called is a collection."""
        owner = type(self) if "." in self._name else type(self._database)
        raise TypeError(not_callable(type(self), self._name, owner))
