"""find, find_one, aggregate and count, with the keywords and results of PyMongo 2.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, cast

from greenmongo._api.collection import Collection
from greenmongo._core.types import DocT
from greenmongo._legacy._find_options import take_decoding, take_origin, translate_find
from greenmongo._legacy.collection.base import LegacyCollectionBase
from greenmongo._legacy.cursor import LegacyCursor
from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from greenmongo._core.commands.arguments import Pipeline, Projection
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._legacy.collection import LegacyCollection

__all__ = ["LegacyReads"]


class LegacyReads(LegacyCollectionBase[DocT], Generic[DocT]):
    """The reads of PyMongo 2.x."""

    def find(
        self,
        /,
        filter: Mapping[str, Any] | None = None,
        projection: Projection | None = None,
        skip: int = 0,
        limit: int = 0,
        *args: Any,
        **options: Any,
    ) -> LegacyCursor[DocT]:
        """Return a cursor over the documents that match; nothing is sent yet.

        Args:
            filter: a query document; None matches every document. Also as `spec`.
            projection: the fields to return; an empty list is none but the `_id`. Also as
                `fields`.
            skip: how many documents to leave out at the start.
            limit: how many documents to return at most; 0 is no limit.
            *args: refused: PyMongo 2 and 4 disagree about what comes fifth.
            **options: those of `Collection.find`, and those of PyMongo 2.x: `timeout`,
                `snapshot`, `tailable`, `await_data`, `exhaust`, `partial`, `as_class`,
                `uuid_subtype`, `slave_okay`, `read_preference`, `tag_sets`, `manipulate`,
                `network_timeout` in seconds.

        Raises:
            ConfigurationError: options contradict each other.
            RemovedFromServer: no server has the option any more.
            TypeError: an argument has the wrong type, or there are too many.
        """
        if args:
            raise TypeError(
                "find takes four positional arguments: the fifth was timeout in PyMongo 2 and is "
                "no_cursor_timeout in PyMongo 4, so name it"
            )
        given = {"filter": filter, "projection": projection, "skip": skip, "limit": limit}
        arguments = translate_find({**given, **options}, self._namespace.read_preference)
        source = self._with_origin(arguments.decoding, arguments.read_preference)
        return LegacyCursor(source, **arguments.cursor)._take(arguments)

    def _with_origin(self, decoding: Mapping[str, Any], preference: Any) -> LegacyCollection[Any]:
        if not decoding and preference is None:
            return self._whole()
        codec_options = self._namespace.codec_options.with_options(**decoding) if decoding else None
        return self._whole().with_options(codec_options, preference)

    def find_one(
        self,
        /,
        filter: Any | None = None,
        projection: Projection | None = None,
        *args: Any,
        **options: Any,
    ) -> DocT | None:
        """Return the first document that matches, or None.

        Args:
            filter: a query document; anything else is taken for the value of `_id`. Also as
                `spec_or_id`.
            projection: the fields to return. Also as `fields`.
            *args: `skip`, and a limit that has no effect.
            **options: those of `find`.
        """
        filter = options.pop("spec_or_id", None) if filter is None else filter
        if filter is not None and not isinstance(filter, Mapping):
            filter = {"_id": filter}
        has_options = projection is not None or args or options or "$query" in (filter or ())
        if not has_options and not self.database._manipulators.changes_outgoing:
            return super().find_one(filter)
        return next(self.find(filter, projection, *args, **options).limit(-1), None)

    def aggregate(
        self,
        /,
        pipeline: Pipeline | Mapping[str, Any],
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **options: Any,
    ) -> Any:
        """Run an aggregation pipeline and return `{"result": [...], "ok": 1.0}`.

        Args:
            pipeline: a list of stages, or a single one.
            session: the session to run in.
            let: variables for `$expr`.
            comment: shown in the server's logs and profiles.
            **options: further options of the command, and `read_preference`, `tag_sets`,
                `slave_okay`, `as_class` and `uuid_subtype`. With `cursor={}` the result is a
                cursor.
        """
        stages = [pipeline] if isinstance(pipeline, Mapping) else list(pipeline)
        wants_cursor = options.get("cursor") is not None
        decoding = take_decoding(options)
        source = self._with_origin(decoding, take_origin(options, self._namespace.read_preference))
        found = Collection.aggregate(source, stages, session, let, comment, **options)
        return found if wants_cursor else {"result": found.to_list(), "ok": 1.0}

    def count(self) -> int:
        """Return the collection's size by its metadata: `estimated_document_count`."""
        return self.estimated_document_count()

    def parallel_scan(self, /, num_cursors: int, **options: Any) -> list[LegacyCursor[DocT]]:
        """Return cursors that together return every document: a single one, on servers of today.

        Args:
            num_cursors: how many cursors there may be.
            **options: those of `find`.
        """
        if isinstance(num_cursors, bool) or not isinstance(num_cursors, int):
            raise TypeError(f"num_cursors must be an int, not {num_cursors!r}")
        if num_cursors < 1:
            raise ValueError(f"num_cursors must be positive, not {num_cursors!r}")
        return [self.find(**options)]

    def group(self, /, *args: Any, **options: Any) -> NoReturn:
        """Refuse: aggregate with `$group` or `$accumulator` does it.

        Raises:
            RemovedFromServer: always.
        """
        refuse("group")

    def _whole(self) -> LegacyCollection[DocT]:
        """Return this object as what it is: reads only ever exist as part of a collection."""
        return cast("LegacyCollection[DocT]", self)
