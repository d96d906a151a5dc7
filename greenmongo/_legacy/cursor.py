"""LegacyCursor: what `find` of a legacy collection returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, cast

from pymongo.read_preferences import SecondaryPreferred

from greenmongo._api.cursor import Cursor
from greenmongo._core.read_modes import PRIMARY
from greenmongo._core.types import DocT
from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from typing_extensions import Self

    from greenmongo._core.command import Command
    from greenmongo._core.commands.find import FindSpec
    from greenmongo._core.cursors.undecoded_batch import UndecodedBatch
    from greenmongo._core.types import Address
    from greenmongo._legacy._find_options import FindArguments
    from greenmongo._legacy.collection import LegacyCollection

__all__ = ["LegacyCursor"]

SLAVE_OKAY = 4
"""The bit of `add_option` that let a secondary answer."""


class LegacyCursor(Cursor[DocT], Generic[DocT]):
    """A `Cursor` with what PyMongo 2.x had besides."""

    _manipulate = False
    _network_timeout: float | None = None

    def _take(self, arguments: FindArguments) -> Self:
        """Take what a cursor of today has no options for."""
        self._manipulate = arguments.manipulate
        self._network_timeout = arguments.network_timeout
        return self

    def _clone(self, spec: FindSpec) -> Self:
        clone = super()._clone(spec)
        clone._manipulate = self._manipulate
        clone._network_timeout = self._network_timeout
        return clone

    @property
    def collection(self) -> LegacyCollection[DocT]:
        """The collection that is searched."""
        return cast("LegacyCollection[DocT]", self._collection)

    @property
    def conn_id(self) -> Address | None:
        """The server that holds this cursor, or None before the first batch."""
        return self.address

    def count(self, with_limit_and_skip: bool = False) -> int:
        """Count the documents of this query, by the count command.

        Args:
            with_limit_and_skip: no more than this cursor would return.
        """
        spec = self._spec
        options: dict[str, Any] = {"query": spec.filter}
        if with_limit_and_skip:
            if spec.empty:
                return 0
            options |= {"limit": abs(spec.limit), "skip": spec.skip}
        if spec.hint is not None:
            options["hint"] = spec.hint
        if spec.max_time_ms is not None:
            options["maxTimeMS"] = spec.max_time_ms
        if spec.collation is not None:
            options["collation"] = spec.collation
        return self._collection.estimated_document_count(spec.comment, **options)

    def max_scan(self, max_scan: int | None) -> Self:
        """Refuse: there is no such option any more.

        Raises:
            RemovedFromServer: always.
        """
        refuse("max_scan")

    def _next_command(self) -> Command:
        command = super()._next_command()
        preference = command.read_preference
        if self._spec.flags & SLAVE_OKAY and preference is not None and preference.mode == PRIMARY:
            preference = self._plan.read_preference = SecondaryPreferred()
        return command._replace(read_preference=preference, socket_timeout=self._network_timeout)

    def _round_trip(self) -> None:
        super()._round_trip()
        plan = self._plan
        if plan.cursor_id and not self._killed:
            self.collection.database.client._open_cursors[plan.cursor_id] = self

    def _receive(self, documents: list[Any] | UndecodedBatch) -> None:
        if self._manipulate and isinstance(documents, list):
            documents = self._transformed(documents)
        super()._receive(documents)

    @property
    def _decodes_anywhere(self) -> bool:
        # Manipulators may read what documents refer to.
        manipulators = self.collection.database._manipulators
        return not (self._manipulate and manipulators.changes_outgoing)

    def _transformed(self, documents: list[Any]) -> list[Any]:
        """Show documents to the database's manipulators."""
        manipulators = self.collection.database._manipulators
        if not manipulators.changes_outgoing:
            return documents
        try:
            return [manipulators.transform_outgoing(each, self._collection) for each in documents]
        except BaseException:
            self._abandon()
            raise
