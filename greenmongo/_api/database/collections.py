"""A database's collections: get, create, list, drop and validate them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.dbref import DBRef
from pymongo.errors import CollectionInvalid
from pymongo.read_preferences import ReadPreference

from greenmongo._api.checked import field_of, run_checked
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.configured import name_of
from greenmongo._api.database.base import DatabaseBase
from greenmongo._api.dropping import drop
from greenmongo._api.open_cursor import open_cursor, time_limit
from greenmongo._core.commands.admin import (
    create_collection,
    list_collections,
    names_only,
    validate,
)
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.collection import Collection
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Named, ReadMode

__all__ = ["Collections"]

OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class Collections(DatabaseBase[DocT], Generic[DocT]):
    """The collections of a database."""

    @overload
    def get_collection(
        self,
        name: str,
        codec_options: None = None,
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Collection[DocT]: ...

    @overload
    def get_collection(
        self,
        name: str,
        codec_options: CodecOptions[OtherT],
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Collection[OtherT]: ...

    def get_collection(
        self,
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Collection[Any]:
        """Return a collection, with options of its own where given.

        Raises:
            InvalidName: no collection can have that name.
        """
        return self._collection(name, codec_options, read_preference, write_concern, read_concern)

    def create_collection(
        self,
        /,
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
        session: SessionLike | None = None,
        check_exists: bool | None = True,
        **kwargs: Any,
    ) -> Collection[DocT]:
        """Create a collection explicitly, for options that the first insert cannot give it.

        Args:
            name: the new collection's name.
            codec_options: how its documents are encoded and decoded.
            read_preference: which servers may answer its reads.
            write_concern: when a write to it counts as done, this creation included.
            read_concern: which data its reads may see.
            session: the session to run in.
            check_exists: look first whether there is such a collection.
            **kwargs: options of the create command: `capped`, `size`, `timeseries`, ...

        Raises:
            CollectionInvalid: the collection exists.
        """
        collection: Collection[DocT] = self.get_collection(
            name, codec_options, read_preference, write_concern, read_concern
        )
        command = create_collection(collection._namespace, kwargs)
        if check_exists and name in self.list_collection_names(session, filter={"name": name}):
            raise CollectionInvalid(f"collection {name} already exists")
        run_checked(self._executor, command, session)
        return collection

    def list_collections(
        self,
        /,
        session: SessionLike | None = None,
        filter: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
        **kwargs: Any,
    ) -> CommandCursor[MutableMapping[str, Any]]:
        """Return a cursor over descriptions of this database's collections.

        Args:
            session: the session to run in.
            filter: a query on the descriptions.
            comment: shown in the server's logs and profiles.
            timeout_mode: as that of `Collection.find`.
            **kwargs: options of the listCollections command: `nameOnly`, ...
        """
        if filter is not None:
            kwargs["filter"] = filter
        if comment is not None:
            kwargs["comment"] = comment
        collection = self._collection("$cmd", DEFAULT_CODEC_OPTIONS, ReadPreference.PRIMARY)
        command = list_collections(self._name, kwargs)
        limit = time_limit(collection, timeout_mode)
        return open_cursor(collection, command, session, CommandCursor, limit, comment=comment)

    def list_collection_names(
        self,
        /,
        session: SessionLike | None = None,
        filter: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Return the names of this database's collections.

        Args:
            session: the session to run in.
            filter: a query on the collections' descriptions.
            comment: shown in the server's logs and profiles.
            **kwargs: options of the listCollections command: `authorizedCollections`, ...
        """
        options = {**kwargs, **names_only(filter)}
        found = self.list_collections(session, comment=comment, **options)
        return [field_of(description, "name", str) for description in found]

    def drop_collection(
        self,
        name_or_collection: str | Named,
        session: SessionLike | None = None,
        comment: Any | None = None,
        encrypted_fields: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Drop a collection; not an error if it does not exist.

        Args:
            name_or_collection: which.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            encrypted_fields: of a collection with Queryable Encryption: its state collections,
                named in here, are dropped first.
        """
        name = name_of(name_or_collection)
        if not isinstance(name, str):
            raise TypeError(f"name_or_collection must be an instance of str, not {type(name)}")
        namespace = self._namespace._replace(collection=name)
        return drop(self._executor, namespace, session, comment, encrypted_fields)

    def validate_collection(
        self,
        name_or_collection: str | Named,
        scandata: bool = False,
        full: bool = False,
        session: SessionLike | None = None,
        background: bool | None = None,
        comment: Any | None = None,
    ) -> dict[str, Any]:
        """Check a collection's integrity and return the server's report.

        Raises:
            CollectionInvalid: the collection is damaged.
        """
        name = name_of(name_or_collection)
        if not isinstance(name, str):
            raise TypeError(
                f"name_or_collection must be an instance of str or Collection, not {type(name)}"
            )
        command = validate(
            self._name,
            name,
            scandata=scandata,
            full=full,
            background=background,
            comment=comment,
        )
        report = self._executor.execute(command, session).document
        # A sharded cluster reports for each shard.
        parts = field_of(report, "raw", dict).values() if "raw" in report else (report,)
        if not all(isinstance(part, Mapping) and part.get("valid") for part in parts):
            raise CollectionInvalid(f"{name} invalid: {report!r}")
        return report

    def dereference(
        self,
        /,
        dbref: DBRef,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> DocT | None:
        """Return the document that a reference points to, or None.

        Raises:
            TypeError: `dbref` is not a DBRef.
            ValueError: it points to another database.
        """
        if not isinstance(dbref, DBRef):
            raise TypeError(f"cannot dereference a {type(dbref)}")
        if dbref.database is not None and dbref.database != self._name:
            raise ValueError(
                "trying to dereference a DBRef that points to "
                f"another database ({dbref.database!r} not {self._name!r})"
            )
        collection: Collection[DocT] = self._collection(dbref.collection)
        return collection.find_one({"_id": dbref.id}, session=session, comment=comment, **kwargs)
