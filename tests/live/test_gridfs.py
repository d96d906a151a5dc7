"""GridFS through every door: PyMongo reads what is stored here, and the other way round."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import gridfs
import pymongo
import pytest
from bson.objectid import ObjectId
from gridfs.errors import FileExists, NoFile
from pymongo.errors import ConfigurationError, InvalidOperation
from pymongo.write_concern import WriteConcern

import bridge
import greenmongo
from tests.support.loop_actor import Blocking, bare

pytestmark = pytest.mark.live

DB = "test_live"
DATA = os.urandom(1000)
LONG = bytes(range(256)) * 40_000


@pytest.fixture
def make(db: Any) -> Callable[..., Any]:
    """Make an object of GridFS by the name of its class, on the test's database."""

    def make(name: str, *args: Any, **kwargs: Any) -> Any:
        if isinstance(db, Blocking):
            args = tuple(bare(each) for each in args)
            kwargs = {key: bare(each) for key, each in kwargs.items()}
            cls = getattr(bridge, f"Async{name}")
            made = db._actor.call(lambda: cls(*args, **kwargs))
            return Blocking(db._actor, made)
        return getattr(greenmongo, name)(*args, **kwargs)

    return make


@pytest.fixture
def bucket(make: Callable[..., Any], db: Any) -> Any:
    """A bucket of the driver's."""
    return make("GridFSBucket", db)


@pytest.fixture
def theirs(reference: pymongo.MongoClient[Any]) -> gridfs.GridFSBucket:
    """The same bucket with PyMongo."""
    return gridfs.GridFSBucket(reference[DB])


@pytest.mark.parametrize("size", [0, 1, 255 * 1024, 255 * 1024 + 1, len(LONG)])
def test_pymongo_reads_what_is_stored_here(
    bucket: Any, theirs: gridfs.GridFSBucket, size: int
) -> None:
    file_id = bucket.upload_from_stream("f", LONG[:size], metadata={"a": 1})

    found = theirs.open_download_stream(file_id)
    assert found.read() == LONG[:size]
    assert (found.filename, found.length, found.metadata) == ("f", size, {"a": 1})


@pytest.mark.parametrize("size", [0, 1, 255 * 1024, 255 * 1024 + 1, len(LONG)])
def test_what_pymongo_has_stored_is_read_here(
    bucket: Any, theirs: gridfs.GridFSBucket, size: int
) -> None:
    file_id = theirs.upload_from_stream("f", LONG[:size], metadata={"a": 1})

    found = bucket.open_download_stream(file_id)
    assert found.read() == LONG[:size]
    assert (found.filename, found.length, found.metadata) == ("f", size, {"a": 1})


def test_the_documents_and_indexes_are_those_of_pymongo(
    bucket: Any, theirs: gridfs.GridFSBucket, reference: pymongo.MongoClient[Any]
) -> None:
    database = reference[DB]

    def stored(store: Any) -> Any:
        database.drop_collection("fs.files")
        database.drop_collection("fs.chunks")
        store.upload_from_stream_with_id("id", "f", DATA, chunk_size_bytes=300)
        (file,) = database["fs.files"].find()
        chunks = list(database["fs.chunks"].find({}, {"_id": 0}).sort("n"))
        indexes = [database[f"fs.{name}"].index_information() for name in ("files", "chunks")]
        types = {name: type(value) for name, value in file.items()}
        return {**file, "uploadDate": None}, types, chunks, indexes

    assert stored(bucket) == stored(theirs)


def test_the_indexes_are_not_created_where_there_are_files(
    bucket: Any, reference: pymongo.MongoClient[Any]
) -> None:
    reference[DB]["fs.files"].insert_one({"_id": "older"})

    bucket.upload_from_stream("f", DATA)

    assert list(reference[DB]["fs.files"].index_information()) == ["_id_"]
    assert list(reference[DB]["fs.chunks"].index_information()) == ["_id_"]


def test_a_file_is_there_when_it_is_closed_and_not_before(bucket: Any) -> None:
    grid_in = bucket.open_upload_stream("f")
    grid_in.write(LONG)

    assert bucket.find().to_list() == []
    grid_in.close()
    grid_in.close()

    (found,) = bucket.find().to_list()
    assert (found._id, found.upload_date is not None) == (grid_in._id, True)
    with pytest.raises(ValueError, match="closed"):
        grid_in.write(b"more")


def test_revisions_are_found_by_number(bucket: Any) -> None:
    for number in range(3):
        bucket.upload_from_stream("f", bytes([number]))

    def read(revision: int) -> Any:
        return bucket.open_download_stream_by_name("f", revision).read()

    assert [read(number) for number in (0, 1, 2, -1, -2)] == [b"\0", b"\1", b"\2", b"\2", b"\1"]
    with pytest.raises(NoFile, match="no version 3 for filename 'f'"):
        read(3)


def test_a_file_is_read_from_any_place(bucket: Any) -> None:
    file_id = bucket.upload_from_stream("f", LONG, chunk_size_bytes=1000)
    grid_out = bucket.open_download_stream(file_id)

    grid_out.seek(5_000_123)
    assert grid_out.read(2_000) == LONG[5_000_123:5_002_123]
    assert grid_out.tell() == 5_002_123
    grid_out.seek(-10, os.SEEK_END)
    assert grid_out.read() == LONG[-10:]
    assert grid_out.read() == b""
    grid_out.seek(10)
    grid_out.seek(5, os.SEEK_CUR)
    assert grid_out.readchunk() == LONG[15:1000]
    grid_out.close()


def test_lines_come_one_after_another(bucket: Any) -> None:
    file_id = bucket.upload_from_stream("f", b"one\ntwo\n\nlast", chunk_size_bytes=2)

    assert list(bucket.open_download_stream(file_id)) == [b"one\n", b"two\n", b"\n", b"last"]
    grid_out = bucket.open_download_stream(file_id)
    assert (grid_out.readline(), grid_out.readline(2)) == (b"one\n", b"tw")
    assert grid_out.readlines() == [b"o\n", b"\n", b"last"]


def test_fields_can_be_set_before_and_after_a_file_is_closed(bucket: Any) -> None:
    with bucket.open_upload_stream("f") as grid_in:
        grid_in.set("before", 1)
        grid_in.write(DATA)
    grid_in.set("after", 2)

    found = bucket.open_download_stream(grid_in._id)
    assert (found.before, found.after) == (1, 2)
    with pytest.raises(AttributeError, match="no attribute 'neither'"):
        _ = found.neither


def test_an_id_of_another_file_is_refused_and_that_file_stays(bucket: Any) -> None:
    bucket.upload_from_stream_with_id(1, "first", LONG)

    with pytest.raises(FileExists, match="file with _id 1 already exists"):
        bucket.upload_from_stream_with_id(1, "second", LONG)

    assert bucket.open_download_stream(1).read() == LONG


@pytest.mark.parametrize("file_id", [{"a": 1}, "text", None])
def test_an_id_may_be_anything(bucket: Any, file_id: Any) -> None:
    bucket.upload_from_stream_with_id(file_id, "f", DATA)

    assert bucket.open_download_stream(file_id).read() == DATA
    bucket.delete(file_id)


def test_an_id_is_never_taken_for_a_query(bucket: Any) -> None:
    bucket.upload_from_stream_with_id(1, "other", DATA)

    with pytest.raises(NoFile):
        bucket.open_download_stream({"$gt": 0})
    with pytest.raises(NoFile):
        bucket.delete({"$gt": 0})

    assert bucket.open_download_stream(1).read() == DATA


def test_files_are_renamed_and_deleted_one_by_one_and_by_name(
    bucket: Any, reference: pymongo.MongoClient[Any]
) -> None:
    first, second = (bucket.upload_from_stream("f", DATA) for _ in range(2))

    bucket.rename(first, "one")
    assert bucket.open_download_stream_by_name("one")._id == first
    bucket.rename_by_name("f", "two")
    assert bucket.open_download_stream_by_name("two")._id == second
    bucket.delete(first)
    bucket.delete_by_name("two")

    assert [reference[DB][f"fs.{name}"].count_documents({}) for name in ("files", "chunks")] == [
        0,
        0,
    ]
    changes: list[Callable[[], Any]] = [
        lambda: bucket.rename(first, "x"),
        lambda: bucket.rename_by_name("f", "x"),
        lambda: bucket.delete(first),
        lambda: bucket.delete_by_name("f"),
        lambda: bucket.open_download_stream(first),
    ]
    for change in changes:
        with pytest.raises(NoFile):
            change()


def test_a_dropped_bucket_gets_its_indexes_again(
    bucket: Any, reference: pymongo.MongoClient[Any]
) -> None:
    bucket.upload_from_stream("f", DATA)
    bucket.drop()
    assert [each for each in reference[DB].list_collection_names() if each[:3] == "fs."] == []

    bucket.upload_from_stream("f", DATA)

    assert len(reference[DB]["fs.chunks"].index_information()) == 2


def test_files_are_found_by_their_documents(bucket: Any) -> None:
    for number in range(5):
        bucket.upload_from_stream_with_id(number, f"f{number % 2}", bytes(number))

    cursor = bucket.find({"filename": "f0"}).sort("_id", -1)
    assert [found.read() for found in cursor] == [bytes(4), bytes(2), b""]
    assert bucket.find().sort("_id")[3].read() == bytes(3)
    assert [found._id for found in bucket.find().sort("_id").skip(1).limit(2)] == [1, 2]
    assert [found._id for found in bucket.find().sort("_id").clone()] == [0, 1, 2, 3, 4]
    with pytest.raises(NotImplementedError):
        bucket.find().add_option(2)


def test_the_older_class_stores_and_finds(make: Callable[..., Any], db: Any) -> None:
    files = make("GridFS", db)
    first = files.put(b"one", filename="f", author="me")
    second = files.put("zwei", filename="f", encoding="utf-8")

    assert files.get(first).read() == b"one"
    assert files.get_last_version("f")._id == second
    assert files.get_version("f", 0)._id == first
    assert files.get_version(author="me").read() == b"one"
    assert files.find_one({"filename": "f"}) is not None
    assert files.find_one(ObjectId()) is None
    assert files.find_one(second).read() == b"zwei"
    assert (files.exists(first), files.exists(author="me"), files.exists({"author": "you"})) == (
        True,
        True,
        False,
    )
    assert files.list() == ["f"]
    with files.new_file(filename="g") as grid_in:
        grid_in.write(DATA)
    assert sorted(files.list()) == ["f", "g"]
    files.delete(first)
    files.delete(first)
    with pytest.raises(NoFile):
        files.get(first)
    with pytest.raises(NoFile):
        files.get_version("f", 7)


def test_a_session_is_used_and_a_transaction_is_refused(
    client: Any, make: Callable[..., Any], bucket: Any, db: Any
) -> None:
    with client.start_session() as session:
        file_id = bucket.upload_from_stream("f", DATA, session=session)
        assert bucket.open_download_stream(file_id, session=session).read() == DATA
        assert session.operation_time is not None
        with session.start_transaction():
            calls: list[Callable[[], Any]] = [
                lambda: bucket.open_upload_stream("f", session=session),
                lambda: bucket.open_download_stream(file_id, session=session),
                lambda: bucket.delete(file_id, session=session),
                lambda: bucket.rename(file_id, "g", session=session),
                lambda: bucket.find(session=session),
                lambda: make("GridFS", db).exists(file_id, session=session),
            ]
            for refused in calls:
                with pytest.raises(InvalidOperation, match="does not support"):
                    refused()


def test_arguments_are_checked(make: Callable[..., Any], db: Any) -> None:
    for name in ("GridFSBucket", "GridFS", "GridIn", "GridOut"):
        with pytest.raises(TypeError, match="must be an instance of"):
            make(name, 5)
    with pytest.raises(ConfigurationError, match="must be acknowledged"):
        make("GridFSBucket", db, write_concern=WriteConcern(w=0))
    with pytest.raises(TypeError, match="Wrong type for filename"):
        make("GridFSBucket", db).open_upload_stream(5)


def test_options_of_the_bucket_are_those_of_its_collections(
    make: Callable[..., Any], db: Any, reference: pymongo.MongoClient[Any]
) -> None:
    bucket = make("GridFSBucket", db, "other", 100)

    file_id = bucket.upload_from_stream("f", DATA)

    assert reference[DB]["other.chunks"].count_documents({"files_id": file_id}) == 10
    assert bucket.open_download_stream(file_id).chunk_size == 100
