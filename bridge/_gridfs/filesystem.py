"""AsyncGridFS: the async face of the older class for files in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge._database import AsyncDatabase
from bridge._delegate import Facade, awaits, wraps_awaited, wraps_result
from bridge._gridfs.cursor import AsyncGridOutCursor
from bridge._gridfs.grid_in import AsyncGridIn
from bridge._gridfs.grid_out import AsyncGridOut
from greenmongo import GridFS

if TYPE_CHECKING:
    from greenmongo import GridOut

__all__ = ["AsyncGridFS"]


def _file_or_none(face: Facade[Any], found: GridOut | None) -> AsyncGridOut | None:
    return None if found is None else AsyncGridOut._wrap(face, found)


class AsyncGridFS(Facade[GridFS]):
    """Files in a database. Their documents may have any fields, and be found by them."""

    def __init__(self, database: AsyncDatabase[Any], collection: str = "fs") -> None:
        """Name a bucket; the arguments are those of `GridFS`. Nothing is sent.

        Raises:
            TypeError: `database` is no async database.
            ConfigurationError: its write concern is not acknowledged.
        """
        if not isinstance(database, AsyncDatabase):
            raise TypeError(f"database must be an instance of AsyncDatabase, not {type(database)}")
        self._dispatcher, self._parent = database._dispatcher, database
        self._sync = GridFS(database._sync, collection)

    new_file = wraps_result(AsyncGridIn._wrap)(GridFS.new_file)

    async def put(self, data: Any, **kwargs: Any) -> Any:
        """Store a new file and return its `_id`.

        Args:
            data: what `AsyncGridIn.write` takes.
            **kwargs: the arguments of `GridIn`.

        Raises:
            FileExists: there is a file with this `_id`.
        """
        async with self.new_file(**kwargs) as grid_in:
            await grid_in.write(data)
        return grid_in._id

    get = wraps_awaited(AsyncGridOut._wrap)(GridFS.get)
    get_version = wraps_awaited(AsyncGridOut._wrap)(GridFS.get_version)
    get_last_version = wraps_awaited(AsyncGridOut._wrap)(GridFS.get_last_version)
    find_one = wraps_awaited(_file_or_none)(GridFS.find_one)
    find = wraps_result(AsyncGridOutCursor._wrap)(GridFS.find)
    exists = awaits(GridFS.exists)
    delete = awaits(GridFS.delete)
    list = awaits(GridFS.list)
