"""LegacyClient: the way to legacy databases, and what clients of PyMongo 2.x did themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn
from weakref import WeakValueDictionary

from pymongo.errors import InvalidOperation

from greenmongo._api.configured import name_of
from greenmongo._core.commands.arguments import check_database_name
from greenmongo._core.types import DocT
from greenmongo._legacy._client_base import LegacyClientBase
from greenmongo._legacy._index_cache import IndexCache
from greenmongo._legacy.database import LegacyDatabase
from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.database import Database
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document, Named, ReadMode
    from greenmongo._legacy._options import Hosts
    from greenmongo._legacy.cursor import LegacyCursor

__all__ = ["LegacyClient"]


class LegacyClient(LegacyClientBase[DocT], Generic[DocT]):
    """A client whose databases and collections have the methods of PyMongo 2.x."""

    _database_class: ClassVar[type[Database[Any]]] = LegacyDatabase

    _defaults: ClassVar[Mapping[str, Any]] = {
        "auto_start_request": True,
        "retryReads": False,
        "retryWrites": False,
        "uuidRepresentation": "pythonLegacy",
    }

    def __init__(
        self,
        host: Hosts,
        port: int | None,
        document_class: type[DocT] | None,
        tz_aware: bool | None,
        options: Mapping[str, Any],
    ) -> None:
        self._index_cache = IndexCache()
        self._open_cursors: WeakValueDictionary[int, LegacyCursor[Any]] = WeakValueDictionary()
        super().__init__(host, port, document_class, tz_aware, options)

    # Databases

    if TYPE_CHECKING:

        def get_database(  # pyright: ignore[reportIncompatibleMethodOverride] # one for three overloads
            self,
            name: str | None = None,
            codec_options: CodecOptions[Any] | None = None,
            read_preference: ReadMode | None = None,
            write_concern: WriteConcern | None = None,
            read_concern: ReadConcern | None = None,
        ) -> LegacyDatabase[Any]: ...

        def get_default_database(
            self,
            default: str | None = None,
            codec_options: CodecOptions[Any] | None = None,
            read_preference: ReadMode | None = None,
            write_concern: WriteConcern | None = None,
            read_concern: ReadConcern | None = None,
        ) -> LegacyDatabase[DocT]: ...

        def __getattr__(self, name: str) -> LegacyDatabase[DocT]: ...

        def __getitem__(self, name: str) -> LegacyDatabase[DocT]: ...

    def database_names(self) -> list[str]:
        """Return the names of the deployment's databases."""
        return self.list_database_names()

    def drop_database(
        self,
        name_or_database: str | Named,
        session: SessionLike | None = None,
        comment: Any | None = None,
    ) -> None:
        """Drop a database, and forget its indexes; not an error if it does not exist.

        Raises:
            TypeError: `name_or_database` is neither.
        """
        super().drop_database(name_or_database, session, comment)
        self._index_cache.forget(str(name_of(name_or_database)))

    def copy_database(
        self,
        /,
        from_name: str,
        to_name: str,
        from_host: str | None = None,
        username: str | None = None,
        password: str | None = None,
        **options: Any,
    ) -> NoReturn:
        """Refuse: use mongodump and mongorestore.

        Raises:
            InvalidName: no database can have such a name.
            RemovedFromServer: otherwise.
        """
        for name in (from_name, to_name):
            check_database_name(name)
        refuse("copydb")

    # The server

    def fsync(self, /, **options: Any) -> Document:
        """Have the server write everything to disk, and return its answer.

        Args:
            **options: `lock=True` also blocks writes until `unlock`. `async` is taken, by
                `**{"async": True}`, and has no effect any more.
        """
        reply: Document = self["admin"].command("fsync", **options)
        return reply

    def unlock(self) -> None:
        """Let the server write again after `fsync(lock=True)`."""
        self["admin"].command("fsyncUnlock")

    @property
    def is_locked(self) -> bool:
        """Whether the server is locked against writes."""
        return bool(self["admin"].current_op().get("fsyncLock", False))

    # Cursors

    def close_cursor(self, cursor_id: int) -> None:
        """Close a cursor on its server.

        Raises:
            InvalidOperation: no cursor of this client has that id.
            TypeError: `cursor_id` is not an int.
        """
        if not isinstance(cursor_id, int):
            raise TypeError(f"cursor_id must be an int, not {cursor_id!r}")
        self.kill_cursors([cursor_id])

    def kill_cursors(self, cursor_ids: Sequence[int]) -> None:
        """Close cursors on their servers, each by a command to the collection it reads.

        Args:
            cursor_ids: of cursors that `find` of this client's collections has returned.

        Raises:
            InvalidOperation: no cursor of this client has one of the ids; none was closed.
            TypeError: `cursor_ids` is not a list.
        """
        if not isinstance(cursor_ids, list):
            raise TypeError(f"cursor_ids must be a list, not {cursor_ids!r}")
        found = [self._open_cursors.get(cursor_id) for cursor_id in cursor_ids]
        for cursor_id, cursor in zip(cursor_ids, found, strict=True):
            if cursor is None:
                raise InvalidOperation(f"no open cursor of this client has the id {cursor_id}")
        for cursor in found:
            if cursor is not None and cursor._plan.must_kill:
                self._executor.execute(cursor._plan.kill_command(), cursor.session)
