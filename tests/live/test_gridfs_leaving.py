"""An upload that is left leaves nothing behind, and takes nothing of others with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo
import pytest

import greenmongo
from greenmongo.gridfs import GridFSBucket
from tests.support.fix_hub import run_script

pytestmark = pytest.mark.live

SEVERAL_MESSAGES = b"x" * (9 * 1024 * 1024)

FORKED = """
import gc, os, sys
from greenmongo import MongoClient
from greenmongo.gridfs import GridFSBucket
client = MongoClient(sys.argv[1])
bucket = GridFSBucket(client.left)
data = os.urandom(9 * 1024 * 1024)
grid_in = bucket.open_upload_stream("f")
grid_in.write(data)
pid = os.fork()
if not pid:
    code = 1
    try:
        client.admin.command("ping")
        del grid_in
        gc.collect()
        client.close()
        code = 0
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
grid_in.close()
assert bucket.open_download_stream(grid_in._id).read() == data
client.close()
print("fine")
"""


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Any]:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        client.drop_database("left")
        yield client["left"]
        client.drop_database("left")


def test_a_client_is_not_closed_before_what_was_left_is_removed(
    mongo_uri: str, database: Any
) -> None:
    def leave_early() -> None:
        with (
            greenmongo.MongoClient[Any](mongo_uri) as client,
            GridFSBucket(client["left"]).open_upload_stream("f") as grid_in,
        ):
            grid_in.write(SEVERAL_MESSAGES)
            assert database["fs.chunks"].count_documents({}) > 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_early()

    assert database["fs.chunks"].count_documents({}) == 0


def test_a_forked_child_removes_nothing_of_its_parents(mongo_uri: str, database: Any) -> None:
    done = run_script(FORKED, mongo_uri)

    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_without_the_index_too_an_upload_removes_nothing_but_its_own(
    mongo_uri: str, database: Any
) -> None:
    with greenmongo.MongoClient[Any](mongo_uri) as client:
        bucket = GridFSBucket(client["left"])
        bucket.upload_from_stream_with_id(1, "f", b"the first")
        database["fs.chunks"].drop_indexes()

        with bucket.open_upload_stream_with_id(1, "f") as grid_in:
            grid_in.write(SEVERAL_MESSAGES)
            assert database["fs.chunks"].count_documents({}) > 1
            grid_in.abort()

        assert bucket.open_download_stream(1).read() == b"the first"
        assert database["fs.chunks"].count_documents({}) == 1
