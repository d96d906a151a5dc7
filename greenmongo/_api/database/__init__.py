"""Database: its collections, and commands on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from greenmongo._api.change_stream import ChangeStream, DatabaseChangeStream
from greenmongo._api.collection import Collection
from greenmongo._api.configured import not_callable
from greenmongo._api.database.collections import Collections
from greenmongo._api.database.commands import Commands
from greenmongo._api.timed import timed
from greenmongo._api.watching import Watching
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import ReadMode

__all__ = ["Database"]

OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class Database(Commands[DocT], Collections[DocT], Watching[DocT], Generic[DocT]):
    """A database. Creating one does no I/O; `database.name` is its collection `name`."""

    _change_stream_class: ClassVar[type[ChangeStream[Any]]] = DatabaseChangeStream

    def _watched(self, codec_options: CodecOptions[Any]) -> tuple[Collection[Any], Namespace]:
        namespace = self._namespace.overridden(codec_options)
        return self._collection("$cmd.aggregate", codec_options), namespace

    @overload
    def with_options(
        self,
        codec_options: None = None,
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
        *,
        timeout_ms: float | None = ...,
    ) -> Database[DocT]: ...

    @overload
    def with_options(
        self,
        codec_options: CodecOptions[OtherT],
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
        *,
        timeout_ms: float | None = ...,
    ) -> Database[OtherT]: ...

    def with_options(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> Database[Any]:
        """Return the same database with other options.

        Args:
            codec_options: how documents are encoded and decoded.
            read_preference: which servers may answer reads.
            write_concern: when a write counts as done.
            read_concern: which data reads may see.
            timeout_ms: the milliseconds that an operation may take, in place of the client's
                timeoutMS; 0 is for ever. What is reached through this database inherits it.

        Raises:
            TypeError, ValueError: an argument has the wrong type or value.
        """
        options = self._namespace.overridden(
            codec_options, read_preference, write_concern, read_concern
        ).options
        same: Database[Any] = self._client._database_class(self._client, self._name, *options)
        same._executor = timed(self._executor, timeout_ms)
        return same

    def __getattr__(self, name: str) -> Collection[DocT]:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} "
                f"collection, use database[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> Collection[DocT]:
        return self._collection_class(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Explain that there is no such method: what was called is a database."""
        raise TypeError(not_callable(type(self), self._name, type(self._client)))
