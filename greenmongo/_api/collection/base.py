"""Who a collection is: its name, its database and the options it inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from greenmongo._api.configured import Configured, WithoutTruth
from greenmongo._api.session_rules import check_session, namespace_in
from greenmongo._core.commands.arguments import check_collection_name
from greenmongo._core.reply import check_write
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.configured import CommandExecutor
    from greenmongo._api.database import Database
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document, ReadMode

__all__ = ["CollectionBase"]


class CollectionBase(WithoutTruth, Configured, Generic[DocT]):
    """The identity that reads, writes and indexes build their commands from."""

    _noun = "collection"

    _executor: CommandExecutor

    def __init__(
        self,
        database: Database[Any],
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> None:
        if not hasattr(type(database), "get_collection"):
            raise TypeError(f"Database required but given {type(database).__name__}")
        inherited = database._namespace.overridden(
            codec_options, read_preference, write_concern, read_concern
        )
        super().__init__(inherited._replace(collection=name))
        check_collection_name(name)
        self._database: Database[DocT] = database
        self._name = name
        self._executor = database._executor

    def _write(self, command: Command, session: SessionLike | None) -> Document:
        """Run one write and raise what its reply reports."""
        if session is not None:
            check_session(session, namespace_in(session, self._namespace).write_concern)
        document = self._executor.execute(command, session).document
        check_write(document)
        return document

    @property
    def name(self) -> str:
        """The name of this collection."""
        return self._name

    @property
    def full_name(self) -> str:
        """The names of database and collection, joined with a dot."""
        return self._namespace.full_name

    @property
    def database(self) -> Database[DocT]:
        """The database this collection is in."""
        return self._database

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CollectionBase):
            return self._database == other._database and self._name == other._name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._database, self._name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._database!r}, {self._name!r})"
