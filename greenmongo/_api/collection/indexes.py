"""A collection's indexes."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from pymongo.errors import OperationFailure
from pymongo.operations import IndexModel
from pymongo.read_preferences import ReadPreference

from greenmongo._api.checked import field_of, run_checked
from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.open_cursor import empty_cursor, open_cursor, time_limit
from greenmongo._core.commands.arguments import IndexKeys
from greenmongo._core.commands.index import (
    INDEX_CODEC,
    create_indexes,
    drop_index,
    list_indexes,
)
from greenmongo._core.server_codes import NAMESPACE_NOT_FOUND
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Indexes"]


class Indexes(CollectionBase[DocT], Generic[DocT]):
    """Create, drop and list indexes."""

    def create_indexes(
        self,
        /,
        indexes: Sequence[IndexModel],
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Create several indexes with one command and return their names.

        Args:
            indexes: a list of `pymongo.operations.IndexModel`.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: other options of the createIndexes command: `commitQuorum`, `maxTimeMS`.

        Raises:
            OperationFailure: an index of the same name or keys has other options.
        """
        command = create_indexes(self._namespace, indexes, comment=comment, options=kwargs)
        run_checked(self._executor, command, session)
        return [index["name"] for index in command.body["indexes"]]

    def create_index(
        self,
        /,
        keys: IndexKeys,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> str:
        """Create one index and return its name.

        Args:
            keys: a field, or a list of (field, direction) pairs.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: the index's options: `name`, `unique`, `expireAfterSeconds`, ...

        Raises:
            OperationFailure: an index of the same name or keys has other options.
        """
        options = {"maxTimeMS": kwargs.pop("maxTimeMS")} if "maxTimeMS" in kwargs else {}
        index = IndexModel(keys, **kwargs)
        return self.create_indexes([index], session, comment, **options)[0]

    def drop_indexes(
        self, /, session: SessionLike | None = None, comment: Any | None = None, **kwargs: Any
    ) -> None:
        """Drop all indexes but the one on `_id`."""
        self.drop_index("*", session, comment, **kwargs)

    def drop_index(
        self,
        /,
        index_or_name: IndexKeys,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> None:
        """Drop one index, by its name or its keys.

        Raises:
            OperationFailure: there is no such index.
        """
        command = drop_index(self._namespace, index_or_name, comment=comment, options=kwargs)
        try:
            run_checked(self._executor, command, session)
        except OperationFailure as error:
            if error.code != NAMESPACE_NOT_FOUND:
                raise

    def list_indexes(
        self,
        session: SessionLike | None = None,
        comment: Any | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
    ) -> CommandCursor[MutableMapping[str, Any]]:
        """Return a cursor over the index documents; none if there is no such collection.

        Args:
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            timeout_mode: as that of `find`.
        """
        command = list_indexes(self._namespace, comment=comment)
        collection: CollectionBase[Any] = CollectionBase(
            self._database,
            self._name,
            INDEX_CODEC,
            ReadPreference.PRIMARY,
            self._namespace.write_concern,
            self._namespace.read_concern,
        )
        collection._executor = self._executor
        limit = time_limit(collection, timeout_mode)
        try:
            return open_cursor(collection, command, session, CommandCursor, limit, comment=comment)
        except OperationFailure as error:
            if error.code != NAMESPACE_NOT_FOUND:
                raise
            return empty_cursor(collection, session, CommandCursor, comment=comment)

    def index_information(
        self, session: SessionLike | None = None, comment: Any | None = None
    ) -> MutableMapping[str, Any]:
        """Return the indexes by name, each as a document with its `key` as a list of pairs."""
        information: dict[str, Any] = {}
        for index in self.list_indexes(session, comment):
            entry = dict(index)
            entry["key"] = list(field_of(index, "key", dict).items())
            information[field_of(index, "name", str)] = entry
            del entry["name"]
        return information
