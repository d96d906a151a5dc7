"""AsyncLegacyGridFS: the async face of GridFS as PyMongo 2.x had it."""

from __future__ import annotations

from typing import Any

from bridge._database import AsyncDatabase
from bridge._delegate import of_subclass, wraps_result
from bridge._gridfs.filesystem import AsyncGridFS
from bridge._gridfs.grid_in import AsyncGridIn
from greenmongo.legacy import GridFS

__all__ = ["AsyncLegacyGridFS"]


class AsyncLegacyGridFS(AsyncGridFS):
    """Files in a database of any client, the old ones among them, as in PyMongo 2.x."""

    def __init__(
        self, database: AsyncDatabase[Any], collection: str = "fs", _connect: bool = True
    ) -> None:
        """Name a bucket; the arguments are those of `greenmongo.legacy.GridFS`.

        Raises:
            TypeError: `database` is no async database.
        """
        if not isinstance(database, AsyncDatabase):
            raise TypeError(f"database must be an instance of AsyncDatabase, not {type(database)}")
        self._dispatcher, self._parent = database._dispatcher, database
        self._sync = GridFS(database._sync, collection)

    new_file = wraps_result(AsyncGridIn._wrap)(of_subclass(GridFS.new_file))
