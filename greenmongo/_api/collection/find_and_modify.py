"""A collection's writes that return a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from pymongo.collection import ReturnDocument

from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.session_rules import namespace_in
from greenmongo._core.commands.arguments import (
    IndexKeys,
    Pipeline,
    Projection,
    check_replacement,
    check_update,
    require_list,
)
from greenmongo._core.commands.write import find_and_modify
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["FindAndModify"]


class FindAndModify(CollectionBase[DocT], Generic[DocT]):
    """find_one_and_delete, find_one_and_replace and find_one_and_update."""

    def _find_and_modify(
        self, filter: Mapping[str, Any], session: SessionLike | None, **arguments: Any
    ) -> DocT | None:
        command = find_and_modify(namespace_in(session, self._namespace), filter, **arguments)
        document: DocT | None = self._write(command, session).get("value")
        return document

    def find_one_and_delete(
        self,
        /,
        filter: Mapping[str, Any],
        projection: Projection | None = None,
        sort: IndexKeys | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> DocT | None:
        """Delete the first document that matches and return it, or None."""
        return self._find_and_modify(
            filter,
            session,
            projection=projection,
            sort=sort,
            hint=hint,
            let=let,
            options=with_comment({**kwargs, "remove": True}, comment),
        )

    def find_one_and_replace(
        self,
        /,
        filter: Mapping[str, Any],
        replacement: Mapping[str, Any],
        projection: Projection | None = None,
        sort: IndexKeys | None = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> DocT | None:
        """Replace the first document that matches; return the old one, or the new.

        Raises:
            DuplicateKeyError: a unique index has such a document already.
            ValueError: `replacement` has update operators.
        """
        check_replacement(replacement)
        return self._find_and_modify(
            filter,
            session,
            projection=projection,
            sort=sort,
            upsert=upsert,
            return_document=return_document,
            hint=hint,
            let=let,
            options=with_comment({**kwargs, "update": replacement}, comment),
        )

    def find_one_and_update(
        self,
        /,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Pipeline,
        projection: Projection | None = None,
        sort: IndexKeys | None = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> DocT | None:
        """Update the first document that matches; return it as it was, or as it is now.

        Raises:
            DuplicateKeyError: a unique index has such a document already.
            ValueError: `update` has no update operators.
        """
        check_update(update)
        if array_filters is not None:
            require_list("array_filters", array_filters)
        return self._find_and_modify(
            filter,
            session,
            projection=projection,
            sort=sort,
            upsert=upsert,
            return_document=return_document,
            array_filters=array_filters,
            hint=hint,
            let=let,
            options=with_comment({**kwargs, "update": update}, comment),
        )


def with_comment(options: Document, comment: Any) -> Document:
    """Add a comment, if there is one, to a command's options."""
    if comment is not None:
        options["comment"] = comment
    return options
