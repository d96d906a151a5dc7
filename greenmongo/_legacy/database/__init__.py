"""LegacyDatabase: a database with the methods of PyMongo 2.x beside today's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

from greenmongo._api.configured import name_of
from greenmongo._core.types import DocT
from greenmongo._legacy.collection import LegacyCollection
from greenmongo._legacy.database.commands import Commands
from greenmongo._legacy.database.users import Users
from greenmongo._legacy.javascript import SystemJS
from greenmongo._legacy.manipulators import Manipulators, SONManipulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.client import MongoClient
    from greenmongo._api.collection import Collection
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document, Named, ReadMode

__all__ = ["LegacyDatabase"]


class LegacyDatabase(Commands[DocT], Users[DocT], Generic[DocT]):
    """A `Database` that also has what databases of PyMongo 2.x had; so do its collections."""

    _collection_class: ClassVar[type[Collection[Any]]] = LegacyCollection

    def __init__(
        self,
        client: MongoClient[Any],
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> None:
        super().__init__(client, name, codec_options, read_preference, write_concern, read_concern)
        self._manipulators = Manipulators()

    def with_options(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> LegacyDatabase[Any]:
        """Return the same database with other options, and the same manipulators."""
        same = super().with_options(
            codec_options, read_preference, write_concern, read_concern, timeout_ms=timeout_ms
        )
        other = cast("LegacyDatabase[Any]", same)
        other._manipulators = self._manipulators
        return other

    # Collections

    if TYPE_CHECKING:

        def get_collection(
            self,
            name: str,
            codec_options: CodecOptions[Any] | None = None,
            read_preference: ReadMode | None = None,
            write_concern: WriteConcern | None = None,
            read_concern: ReadConcern | None = None,
        ) -> LegacyCollection[Any]: ...

        def __getattr__(self, name: str) -> LegacyCollection[DocT]: ...

        def __getitem__(self, name: str) -> LegacyCollection[DocT]: ...

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
        **options: Any,
    ) -> LegacyCollection[DocT]:
        """Create a collection explicitly; the arguments are those of `Database`.

        Raises:
            CollectionInvalid: the collection exists.
        """
        options.pop("create", None)  # said that no more than the method does
        created = super().create_collection(
            name,
            codec_options,
            read_preference,
            write_concern,
            read_concern,
            session,
            check_exists,
            **options,
        )
        return cast("LegacyCollection[DocT]", created)

    def collection_names(self, include_system_collections: bool = True) -> list[str]:
        """Return the names of this database's collections.

        Args:
            include_system_collections: those that begin with `system.`, too.
        """
        names = [name for name in self.list_collection_names() if "$" not in name]
        if include_system_collections:
            return names
        return [name for name in names if not name.startswith("system.")]

    def drop_collection(
        self,
        name_or_collection: str | Named,
        session: SessionLike | None = None,
        comment: Any | None = None,
        encrypted_fields: Mapping[str, Any] | None = None,
    ) -> Document:
        """Drop a collection, and forget its indexes; not an error if it does not exist."""
        reply = super().drop_collection(name_or_collection, session, comment, encrypted_fields)
        self.client._index_cache.forget(self._name, str(name_of(name_or_collection)))
        return reply

    @property
    def system_js(self) -> SystemJS:
        """The functions stored on the server. They can be stored and removed, not called."""
        return SystemJS(self)

    # Manipulators

    def add_son_manipulator(self, manipulator: SONManipulator) -> None:
        """Have documents of this object's collections changed on their way in and out."""
        self._manipulators.add(manipulator)

    @property
    def incoming_manipulators(self) -> list[str]:
        """The classes of those that change documents on their way in."""
        return names_of(self._manipulators.incoming)

    @property
    def incoming_copying_manipulators(self) -> list[str]:
        """The classes of those that copy documents on their way in."""
        return names_of(self._manipulators.incoming_copying)

    @property
    def outgoing_manipulators(self) -> list[str]:
        """The classes of those that change documents on their way out."""
        return names_of(self._manipulators.outgoing)

    @property
    def outgoing_copying_manipulators(self) -> list[str]:
        """The classes of those that copy documents on their way out."""
        return names_of(self._manipulators.outgoing_copying)

    def __bool__(self) -> bool:  # type: ignore[override] # true, as in PyMongo 2.x
        return True


def names_of(manipulators: list[SONManipulator]) -> list[str]:
    """Return the manipulators' classes, the newest first."""
    return [type(manipulator).__name__ for manipulator in reversed(manipulators)]
