"""GridFS as PyMongo 2.x had it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.write_concern import WriteConcern

from greenmongo._api.database import Database
from greenmongo._api.gridfs import filesystem
from greenmongo._api.gridfs.internals import upload_of

if TYPE_CHECKING:
    from greenmongo._api.gridfs.grid_in import GridIn

__all__ = ["GridFS"]


class GridFS(filesystem.GridFS):
    """Files in a database of any client, the old ones among them, as in PyMongo 2.x.

    They are written with acknowledgement whatever the client's default is, and their documents
    have an `md5`.
    """

    def __init__(
        self, database: Database[Any], collection: str = "fs", _connect: bool = True
    ) -> None:
        """Name a bucket. Nothing is sent: the indexes are created with the first file.

        Args:
            database: the database.
            collection: what the collections `fs.files` and `fs.chunks` are named after.
            _connect: has no effect.

        Raises:
            TypeError: `database` is no database.
        """
        if not isinstance(database, Database):
            raise TypeError(f"database must be an instance of Database, not {type(database)}")
        concern = database.write_concern
        # Neither manipulators nor the old methods' ways: those are for the user's own documents.
        plain: Database[Any] = Database(
            database.client,
            database.name,
            database.codec_options,
            database.read_preference,
            concern if concern.acknowledged else WriteConcern(),
            database.read_concern,
        )
        super().__init__(plain, collection)

    def new_file(self, /, **kwargs: Any) -> GridIn:
        """Return a new file to be written, which is there when it is closed.

        Args:
            **kwargs: the arguments of `GridIn`.
        """
        grid_in = super().new_file(**kwargs)
        upload_of(grid_in).sum_up()
        return grid_in
