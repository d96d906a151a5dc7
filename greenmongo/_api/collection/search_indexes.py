"""A collection's search indexes, which only some deployments have (Atlas, since MongoDB 7.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.errors import OperationFailure, ProtocolError
from pymongo.operations import SearchIndexModel
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._api.checked import field_of, run_checked
from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.open_cursor import open_aggregation
from greenmongo._core.commands.aggregate import aggregate
from greenmongo._core.commands.search_index import (
    create_search_indexes,
    drop_search_index,
    search_indexes_pipeline,
    update_search_index,
)
from greenmongo._core.server_codes import NAMESPACE_NOT_FOUND
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["SearchIndexes"]


class SearchIndexes(CollectionBase[DocT], Generic[DocT]):
    """Create, update, drop and list search indexes."""

    def create_search_index(
        self,
        /,
        model: Mapping[str, Any] | SearchIndexModel,
        session: SessionLike | None = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> str:
        """Create one search index and return its name. It is built in the background.

        Args:
            model: the index; or its `definition`, and perhaps `name` and `type`, as a mapping.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: other options of the createSearchIndexes command: `maxTimeMS`.

        Raises:
            OperationFailure: the deployment has no search indexes.
        """
        if not isinstance(model, SearchIndexModel):
            model = SearchIndexModel(**model)
        return self.create_search_indexes([model], session, comment, **kwargs)[0]

    def create_search_indexes(
        self,
        /,
        models: list[SearchIndexModel],
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Create several search indexes with one command and return their names.

        Args:
            models: a list of `pymongo.operations.SearchIndexModel`.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: other options of the createSearchIndexes command: `maxTimeMS`.

        Raises:
            OperationFailure: the deployment has no search indexes.
        """
        command = create_search_indexes(self._namespace, models, comment=comment, options=kwargs)
        reply = run_checked(self._executor, command, session).document
        created = field_of(reply, "indexesCreated", list)
        if len(created) != len(models):
            raise ProtocolError(f"indexesCreated in a reply cannot be {created!r:.100}")
        return [field_of(index, "name", str) for index in created]

    def drop_search_index(
        self,
        /,
        name: str,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> None:
        """Drop one search index by its name; not an error if there is no such collection.

        Raises:
            OperationFailure: there is no such index.
        """
        command = drop_search_index(self._namespace, name, comment=comment, options=kwargs)
        self._run_if_there(command, session)

    def update_search_index(
        self,
        /,
        name: str,
        definition: Mapping[str, Any],
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> None:
        """Give a search index another definition; not an error if there is no such collection.

        Args:
            name: the index.
            definition: what it is to be.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: other options of the updateSearchIndex command: `maxTimeMS`.

        Raises:
            OperationFailure: there is no such index.
        """
        command = update_search_index(
            self._namespace, name, definition, comment=comment, options=kwargs
        )
        self._run_if_there(command, session)

    def list_search_indexes(
        self,
        /,
        name: str | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
        **kwargs: Any,
    ) -> CommandCursor[Mapping[str, Any]]:
        """Return a cursor over descriptions of the search indexes.

        Args:
            name: only the one of that name.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            timeout_mode: as that of `find`.
            **kwargs: options of the aggregate command.

        Raises:
            OperationFailure: the deployment has no search indexes.
        """
        collection: CollectionBase[Any] = CollectionBase(
            self._database,
            self._name,
            DEFAULT_CODEC_OPTIONS,
            ReadPreference.PRIMARY,
            WriteConcern(),
            ReadConcern(),
        )
        collection._executor = self._executor
        pipeline = search_indexes_pipeline(name)
        plan = aggregate(collection._namespace, pipeline, comment=comment, options=kwargs)
        return open_aggregation(collection, plan, session, CommandCursor, timeout_mode)

    def _run_if_there(self, command: Command, session: SessionLike | None) -> None:
        try:
            run_checked(self._executor, command, session)
        except OperationFailure as error:
            if error.code != NAMESPACE_NOT_FOUND:
                raise
