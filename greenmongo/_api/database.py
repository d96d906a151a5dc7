"""Database: its collections, and commands on it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.dbref import DBRef
from pymongo.errors import (
    CollectionInvalid,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
)
from pymongo.read_preferences import ReadPreference

from greenmongo._api.checked import run_checked
from greenmongo._api.collection import Collection
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.configured import Configured, name_of
from greenmongo._api.dropping import drop
from greenmongo._api.redecode import redecode
from greenmongo._core.commands import Target
from greenmongo._core.commands.admin import (
    create_collection,
    list_collections,
    names_only,
    run_command,
    validate,
)
from greenmongo._core.commands.aggregate import aggregate
from greenmongo._core.commands.arguments import Pipeline, check_database_name
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.client import MongoClient
    from greenmongo._api.configured import Runs
    from greenmongo._core.types import Named, ReadMode, SessionLike

__all__ = ["Database"]

OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class Database(Configured, Generic[DocT]):
    """A database. Creating one does no I/O; `database.name` is its collection `name`."""

    _executor: Runs

    def __init__(
        self,
        client: MongoClient[Any],
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> None:
        if not hasattr(type(client), "get_database"):
            raise TypeError(f"MongoClient required but given {type(client).__name__}")
        super().__init__(
            codec_options or client.codec_options,
            read_preference or client.read_preference,
            write_concern or client.write_concern,
            read_concern or client.read_concern,
        )
        check_database_name(name)
        self._client: MongoClient[DocT] = client
        self._name = name
        self._executor = client._executor

    @property
    def client(self) -> MongoClient[DocT]:
        """The client this database was reached through."""
        return self._client

    @property
    def name(self) -> str:
        """The name of this database."""
        return self._name

    def _target(self, collection: str = "") -> Target:
        return Target(
            self._name,
            collection,
            self._codec_options,
            self._read_preference,
            self._write_concern,
            self._read_concern.document,
        )

    @overload
    def with_options(
        self,
        codec_options: None = None,
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Database[DocT]: ...

    @overload
    def with_options(
        self,
        codec_options: CodecOptions[OtherT],
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Database[OtherT]: ...

    def with_options(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Database[Any]:
        """Return the same database with other options."""
        return Database(
            self._client,
            self._name,
            codec_options or self._codec_options,
            read_preference or self._read_preference,
            write_concern or self._write_concern,
            read_concern or self._read_concern,
        )

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
        return Collection(self, name, codec_options, read_preference, write_concern, read_concern)

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
        command = create_collection(collection._target, kwargs)
        if check_exists and name in self.list_collection_names(session, filter={"name": name}):
            raise CollectionInvalid(f"collection {name} already exists")
        run_checked(self._executor, command, session)
        return collection

    def aggregate(
        self, /, pipeline: Pipeline, session: SessionLike | None = None, **kwargs: Any
    ) -> CommandCursor[DocT]:
        """Run a pipeline that starts without a collection: `$currentOp`, `$documents`, ...

        Args:
            pipeline: a list of stages.
            session: the session to run in.
            **kwargs: options of the aggregate command, `comment` and `let` among them.

        Raises:
            ConfigurationError: a keyword would change what the command is.
        """
        plan = aggregate(self._target(), pipeline, options=kwargs)
        reply = run_checked(self._executor, plan.command, session)
        cursor = reply.document.get("cursor") or {"id": 0, "firstBatch": []}
        return CommandCursor(
            self["$cmd.aggregate"],
            cursor,
            reply.address,
            batch_size=plan.batch_size,
            max_await_time_ms=plan.max_await_time_ms,
            session=session,
            comment=plan.comment,
        )

    @overload
    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = ...,
        check: bool = ...,
        allowable_errors: Sequence[str | int] | None = ...,
        read_preference: ReadMode | None = ...,
        codec_options: None = None,
        session: SessionLike | None = ...,
        comment: Any | None = ...,
        **kwargs: Any,
    ) -> dict[str, Any]: ...

    @overload
    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = ...,
        check: bool = ...,
        allowable_errors: Sequence[str | int] | None = ...,
        read_preference: ReadMode | None = ...,
        *,
        codec_options: CodecOptions[OtherT],
        session: SessionLike | None = ...,
        comment: Any | None = ...,
        **kwargs: Any,
    ) -> OtherT: ...

    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = 1,
        check: bool = True,
        allowable_errors: Sequence[str | int] | None = None,
        read_preference: ReadMode | None = None,
        codec_options: CodecOptions[Any] | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run any command and return the server's answer.

        Nothing is inherited from this database's options, and nothing is retried.

        Args:
            command: the command's name, or all of it as a document.
            value: the value of its first field, when a name is given.
            check: raise if the server says that it failed.
            allowable_errors: codes, or messages, that are no failure.
            read_preference: which servers may answer; the primary by default.
            codec_options: how the answer is decoded.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: other fields of the command.

        Raises:
            OperationFailure: the command failed.
        """
        if comment is not None:
            kwargs["comment"] = comment
        built = run_command(
            self._name,
            command,
            value,
            read_preference=read_preference,
            codec_options=codec_options,
            options=kwargs,
        )
        if allowable_errors or not check:
            built.tolerates = lambda reply: not check or is_allowed(reply, allowable_errors or ())
        try:
            document = self._executor.run(built, session).document
        except (OperationFailure, NotPrimaryError) as error:
            details: Any = error.details or {}
            if built.tolerates is None or not built.tolerates(details):
                raise
            document = dict(details)
        return redecode(document, codec_options or DEFAULT_CODEC_OPTIONS)

    def cursor_command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = 1,
        read_preference: ReadMode | None = None,
        codec_options: CodecOptions[Any] | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        max_await_time_ms: int | None = None,
        **kwargs: Any,
    ) -> CommandCursor[DocT]:
        """Run any command that answers with a cursor, and return the cursor.

        Raises:
            InvalidOperation: the answer has no cursor.
            OperationFailure: the command failed.
        """
        # As in PyMongo, the comment is for the batches that follow.
        built = run_command(
            self._name,
            command,
            value,
            read_preference=read_preference,
            codec_options=codec_options,
            options=kwargs,
        )
        built.user_documents = True
        reply = self._executor.run(built, session)
        cursor = reply.document.get("cursor")
        if not cursor:
            raise InvalidOperation("Command does not return a cursor.")
        collection: Collection[Any] = Collection(
            self, "$cmd", codec_options, read_preference or ReadPreference.PRIMARY
        )
        return CommandCursor(
            collection,
            cursor,
            reply.address,
            max_await_time_ms=max_await_time_ms,
            session=session,
            comment=comment,
        )

    def list_collections(
        self,
        /,
        session: SessionLike | None = None,
        filter: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> CommandCursor[MutableMapping[str, Any]]:
        """Return a cursor over descriptions of this database's collections.

        Args:
            session: the session to run in.
            filter: a query on the descriptions.
            comment: shown in the server's logs and profiles.
            **kwargs: options of the listCollections command: `nameOnly`, ...
        """
        if filter is not None:
            kwargs["filter"] = filter
        if comment is not None:
            kwargs["comment"] = comment
        reply = self._executor.run(list_collections(self._name, kwargs), session)
        collection: Collection[Any] = Collection(
            self, "$cmd", DEFAULT_CODEC_OPTIONS, ReadPreference.PRIMARY
        )
        return CommandCursor(
            collection,
            reply.document["cursor"],
            reply.address,
            session=session,
            comment=comment,
        )

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
        return [description["name"] for description in found]

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
        target = self._target(name)
        return drop(self._executor, target, session, comment, encrypted_fields)

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
        report = self._executor.run(command, session).document
        # A sharded cluster reports for each shard.
        parts = report["raw"].values() if "raw" in report else (report,)
        if not all(part.get("valid", False) for part in parts):
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
        return self[dbref.collection].find_one(
            {"_id": dbref.id}, session=session, comment=comment, **kwargs
        )

    def __getattr__(self, name: str) -> Collection[DocT]:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} "
                f"collection, use database[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> Collection[DocT]:
        return Collection(self, name)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Database):
            return self._client == other._client and self._name == other._name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._client, self._name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r}, {self._name!r})"

    # Python would iterate by __getitem__, for ever.
    __iter__ = None

    def __next__(self) -> NoReturn:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    next = __next__

    def __bool__(self) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} objects do not implement truth value testing or bool(). "
            "Please compare with None instead: database is not None"
        )


def is_allowed(reply: Mapping[str, Any], allowable: Sequence[str | int]) -> bool:
    """Tell whether the caller said that this error is none; messages count only without a code."""
    code = reply.get("code")
    return (reply.get("errmsg") if code is None else code) in allowable
