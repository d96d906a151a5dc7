"""AsyncCollection: the async face of a collection, borrowed method by method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from bridge._change_stream import AsyncCollectionChangeStream
from bridge._configured import ConfiguredFacade
from bridge._cursor import (
    AsyncCommandCursor,
    AsyncCursor,
    AsyncRawBatchCommandCursor,
    AsyncRawBatchCursor,
)
from bridge._delegate import awaits, wraps_call, wraps_result
from bridge._feeding import begins, feeds
from greenmongo import Collection
from greenmongo.lowlevel import WithoutTruth, not_callable

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from bridge._database import AsyncDatabase
    from bridge._delegate import Facade
    from greenmongo.lowlevel import ReadMode

__all__ = ["AsyncCollection"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


def sibling(face: AsyncCollection[Any], sync: Collection[OtherT]) -> AsyncCollection[OtherT]:
    """Give a blocking collection of the same database its async face."""
    return face._wrap(face, sync)


class AsyncCollection(WithoutTruth, ConfiguredFacade[Collection[DocT]], Generic[DocT]):
    """A collection of documents. Creating one does no I/O; it may not exist on the server.

    `collection.name` and `collection["name"]` are the collection named `"collection.name"`.
    """

    _noun = "collection"

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: Collection[OtherT]
        ) -> AsyncCollection[OtherT]: ...

    def __init__(
        self,
        database: AsyncDatabase[DocT],
        name: str,
        codec_options: CodecOptions[DocT] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> None:
        self._dispatcher = database._dispatcher
        self._sync = Collection(
            database._sync, name, codec_options, read_preference, write_concern, read_concern
        )
        self._parent = database

    @property
    def name(self) -> str:
        """The name of this collection."""
        return self._sync.name

    @property
    def full_name(self) -> str:
        """The names of database and collection, joined with a dot."""
        return self._sync.full_name

    @property
    def database(self) -> AsyncDatabase[DocT]:
        """The database this collection is in."""
        database: AsyncDatabase[DocT] = self._parent
        return database

    with_options = wraps_result(sibling)(Collection[DocT].with_options)

    # Reads

    find = wraps_result(AsyncCursor._wrap)(Collection[DocT].find)
    find_one = awaits(Collection[DocT].find_one)
    aggregate = wraps_call(AsyncCommandCursor._wrap_later)(Collection[DocT].aggregate)
    find_raw_batches = wraps_result(AsyncRawBatchCursor._wrap)(Collection[DocT].find_raw_batches)
    aggregate_raw_batches = wraps_call(AsyncRawBatchCommandCursor._wrap_later)(
        Collection[DocT].aggregate_raw_batches
    )
    count_documents = awaits(Collection[DocT].count_documents)
    estimated_document_count = awaits(Collection[DocT].estimated_document_count)
    distinct = awaits(Collection[DocT].distinct)

    # Writes

    insert_one = begins(Collection[DocT].insert_one)
    insert_many = feeds(Collection[DocT].insert_many)
    bulk_write = feeds(Collection[DocT].bulk_write)
    replace_one = awaits(Collection[DocT].replace_one)
    update_one = awaits(Collection[DocT].update_one)
    update_many = awaits(Collection[DocT].update_many)
    delete_one = awaits(Collection[DocT].delete_one)
    delete_many = awaits(Collection[DocT].delete_many)
    find_one_and_delete = awaits(Collection[DocT].find_one_and_delete)
    find_one_and_replace = awaits(Collection[DocT].find_one_and_replace)
    find_one_and_update = awaits(Collection[DocT].find_one_and_update)

    # Indexes, and the collection as a whole

    create_index = awaits(Collection[DocT].create_index)
    create_indexes = awaits(Collection[DocT].create_indexes)
    drop_index = awaits(Collection[DocT].drop_index)
    drop_indexes = awaits(Collection[DocT].drop_indexes)
    index_information = awaits(Collection[DocT].index_information)
    watch = wraps_call(AsyncCollectionChangeStream._wrap_later)(Collection[DocT].watch)
    list_indexes = wraps_call(AsyncCommandCursor._wrap_later)(Collection[DocT].list_indexes)
    create_search_index = awaits(Collection[DocT].create_search_index)
    create_search_indexes = awaits(Collection[DocT].create_search_indexes)
    drop_search_index = awaits(Collection[DocT].drop_search_index)
    update_search_index = awaits(Collection[DocT].update_search_index)
    list_search_indexes = wraps_call(AsyncCommandCursor._wrap_later)(
        Collection[DocT].list_search_indexes
    )
    options = awaits(Collection[DocT].options)
    rename = awaits(Collection[DocT].rename)
    drop = awaits(Collection[DocT].drop)

    def __getattr__(self, name: str) -> AsyncCollection[DocT]:
        if name.startswith("_"):
            # Before anything of ours is touched: a copy that is being made has no attributes yet.
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access a collection whose "
                f"name has a part {name}, use database['...{name}']."
            )
        return self[name]

    def __getitem__(self, name: str) -> AsyncCollection[DocT]:
        return self._wrap(self, self._sync[name])

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Explain that there is no such method: what was called is a collection."""
        owner = type(self) if "." in self.name else type(self._parent)
        raise TypeError(not_callable(type(self), self.name, owner))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._parent!r}, {self.name!r})"
