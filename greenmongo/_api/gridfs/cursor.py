"""GridOutCursor: the files that a query finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from greenmongo._api.cursor import Cursor
from greenmongo._api.gridfs.grid_out import GridOut
from greenmongo._api.gridfs.roots import files_in, refuse_transaction, root_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from greenmongo._api.collection import Collection
    from greenmongo._core.commands.arguments import IndexKeys
    from greenmongo._core.commands.find import FindSpec
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["GridOutCursor"]


class GridOutCursor(Cursor[Any]):
    """The files that a query finds, each as a `GridOut`. `find` of a bucket makes it."""

    def __init__(
        self,
        collection: Collection[Any],
        filter: Mapping[str, Any] | None = None,
        skip: int = 0,
        limit: int = 0,
        no_cursor_timeout: bool = False,
        sort: IndexKeys | None = None,
        batch_size: int = 0,
        session: SessionLike | None = None,
    ) -> None:
        """Make an unread cursor over the files of a bucket.

        Args:
            collection: the collection `fs`, of a bucket of this name.
            filter: a query on the files' documents; None finds all.
            skip: how many files to leave out at the start.
            limit: how many to return at most; 0 is no limit.
            no_cursor_timeout: keep the cursor on the server however long it idles.
            sort: the order, as a list of (key, direction) pairs.
            batch_size: how many documents to fetch per round trip.
            session: the session to run in, and that the files are read in.

        Raises:
            InvalidOperation: the session is in a transaction.
        """
        refuse_transaction(session)
        self._root = root_of(collection)
        super().__init__(
            files_in(self._root),
            filter,
            skip=skip,
            limit=limit,
            no_cursor_timeout=no_cursor_timeout,
            sort=sort,
            batch_size=batch_size,
            session=session,
        )

    def _clone(self, spec: FindSpec) -> Self:
        clone = type(self)(self._root, session=self._session)
        clone._spec = spec
        return clone

    def _file_of(self, document: Any) -> GridOut:
        """Return the file that a document is of."""
        return GridOut(self._root, file_document=document, session=self._session)

    def next(self) -> GridOut:
        """Return the next file.

        Raises:
            StopIteration: there is none.
        """
        refuse_transaction(self._session)
        return self._file_of(super().next())

    __next__ = next

    def to_list(self, length: int | None = None) -> list[Any]:
        """Return the next `length` files, or all the rest.

        Raises:
            ValueError: `length` is less than 1.
        """
        return [self._file_of(document) for document in super().to_list(length)]

    def add_option(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there are none for files."""
        raise NotImplementedError("Method does not exist for GridOutCursor")

    def remove_option(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there are none for files."""
        raise NotImplementedError("Method does not exist for GridOutCursor")
