"""GridFS as code of PyMongo 2.x uses it, through every door."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import gridfs
import pymongo
import pytest
from gridfs.errors import FileExists, NoFile

import bridge
import greenmongo.legacy
from tests.support.loop_actor import Blocking, bare

pytestmark = pytest.mark.live

DATA = bytes(range(256)) * 40_000


@pytest.fixture
def files(make_connection: Any, old_db: Any) -> Any:
    """Files in a database of a `Connection`, whose other writes are not acknowledged."""
    old_db = make_connection(w=0)[old_db.name]
    if isinstance(old_db, Blocking):
        database = bare(old_db)
        made = old_db._actor.call(lambda: bridge.AsyncLegacyGridFS(database))
        return Blocking(old_db._actor, made)
    return greenmongo.legacy.GridFS(old_db)


def test_files_are_stored_and_found(files: Any, reference: pymongo.MongoClient[Any]) -> None:
    first = files.put(DATA, filename="f", content_type="text/plain", author="me")
    second = files.put(io.BytesIO(b"second"), filename="f")

    assert files.get(first).read() == DATA
    assert files.get_last_version("f").read() == b"second"
    assert files.get_version("f", 0)._id == first
    assert files.get_version(author="me")._id == first
    assert files.exists(second)
    assert not files.exists(filename="g")
    assert files.list() == ["f"]
    assert gridfs.GridFS(reference["test_live"]).get(first).read() == DATA
    files.delete(first)
    with pytest.raises(NoFile):
        files.get(first)


def test_a_file_has_its_checksum(files: Any, reference: pymongo.MongoClient[Any]) -> None:
    file_id = files.put(DATA)
    empty = files.put(b"")

    stored = reference["test_live"]["fs.files"]
    for each, data in ((file_id, DATA), (empty, b"")):
        document = stored.find_one(each)
        assert document is not None
        assert document["md5"] == hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_a_file_is_written_piece_by_piece(files: Any) -> None:
    grid_in = files.new_file(filename="f", chunk_size=7)
    grid_in.write(b"one\n")
    grid_in.write(b"two\nthree")
    grid_in.close()

    grid_out = files.get(grid_in._id)
    assert (grid_out.filename, grid_out.chunk_size, grid_out.length) == ("f", 7, 13)
    assert list(grid_out) == [b"one\n", b"two\n", b"three"]


def test_an_id_is_taken_once(files: Any) -> None:
    files.put(b"first", _id=1)

    with pytest.raises(FileExists):
        files.put(b"second", _id=1)

    assert files.get(1).read() == b"first"
