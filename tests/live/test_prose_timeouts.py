"""The prose tests of Client Side Operations Timeout, by their numbers.

Times are longer than there, in the same proportions: a busy machine needs some for itself. 2 and 3
are about encryption; 11 needs MongoDB 8.0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import pytest
from bson.objectid import ObjectId
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent

from greenmongo import GridFSBucket, MongoClient
from greenmongo.embedded import MongoServer
from tests.support.listeners import Recorder

pytestmark = pytest.mark.live

NAME = "test_prose_timeouts"


@contextmanager
def blocking(client: Any, mode: Any, milliseconds: int, *commands: str) -> Iterator[None]:
    """Keep the answers to commands back for a while."""
    facts = {"failCommands": list(commands), "blockConnection": True, "blockTimeMS": milliseconds}
    client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": facts})
    try:
        yield
    finally:
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


@contextmanager
def timing_out() -> Iterator[None]:
    """Expect an error of the time limit."""
    with pytest.raises(PyMongoError) as caught:
        yield
    assert caught.value.timeout


@pytest.fixture
def seen() -> Recorder:
    return Recorder("commands")


@pytest.fixture
def make(
    mongo_uri: str, reference: pymongo.MongoClient[Any], seen: Recorder
) -> Iterator[Callable[[int], MongoClient[Any]]]:
    """Open a client with a time limit, already connected; its database is dropped afterwards."""
    opened: list[MongoClient[Any]] = []

    def connect(milliseconds: int) -> MongoClient[Any]:
        client = MongoClient[Any](
            mongo_uri, timeoutMS=milliseconds, w="majority", event_listeners=seen.listeners
        )
        opened.append(client)
        client.admin.command("ping")
        return client

    yield connect
    for client in opened:
        client.close()
    # An abort that was sent, and not answered in time, may have been given up by the server.
    reference.admin.command("killAllSessions", [])
    reference.drop_database(NAME)


def names(seen: Recorder) -> list[str]:
    return [event.command_name for event in seen.of(CommandStartedEvent)]


def test_csot_prose_1_all_batches_of_an_insert_share_the_limit(standalone: MongoServer) -> None:
    seen = Recorder("commands")
    with (
        pymongo.MongoClient[Any](standalone.uri) as reference,
        MongoClient[Any](standalone.uri, timeoutMS=2000, event_listeners=seen.listeners) as client,
    ):
        client.admin.command("ping")
        documents = [{"text": "x" * 1_000_000} for _ in range(50)]
        with blocking(reference, {"times": 2}, 1010, "insert"), timing_out():
            client[NAME].c.insert_many(documents)
        reference.drop_database(NAME)
    assert names(seen).count("insert") == 2


def test_csot_prose_5_iterating_a_change_stream_ends_with_the_limit(
    make: Callable[[int], MongoClient[Any]], reference: pymongo.MongoClient[Any], seen: Recorder
) -> None:
    client = make(1000)
    with (
        blocking(reference, "alwaysOn", 600, "getMore"),
        client[NAME].c.watch(max_await_time_ms=1) as stream,
        timing_out(),
    ):
        stream.next()
    assert [each for each in names(seen) if each in ("aggregate", "getMore")][:3] == [
        "aggregate",
        "getMore",
        "getMore",
    ]


def test_csot_prose_6_an_upload_ends_with_the_limit(
    make: Callable[[int], MongoClient[Any]], reference: pymongo.MongoClient[Any]
) -> None:
    bucket = GridFSBucket(make(600)[NAME])
    bucket.upload_from_stream("first", b"")
    stream = bucket.open_upload_stream("filename")
    stream.write(b"\x12")
    with blocking(reference, {"times": 1}, 900, "insert"), timing_out():
        stream.close()


def test_csot_prose_7_a_download_ends_with_the_limit(
    make: Callable[[int], MongoClient[Any]], reference: pymongo.MongoClient[Any], seen: Recorder
) -> None:
    file_id = ObjectId("000000000000000000000005")
    facts = {"_id": file_id, "length": 10, "chunkSize": 4, "filename": "length-10"}
    reference[NAME].fs.files.insert_one(facts)
    stream = GridFSBucket(make(600)[NAME]).open_download_stream(file_id)
    with blocking(reference, {"times": 1}, 900, "find"), timing_out():
        stream.read()
    assert names(seen).count("find") in (1, 2)


@pytest.mark.parametrize(
    "options",
    [
        "serverSelectionTimeoutMS=200",
        "timeoutMS=200&serverSelectionTimeoutMS=5000",
        "timeoutMS=5000&serverSelectionTimeoutMS=200",
        "timeoutMS=0&serverSelectionTimeoutMS=200",
    ],
)
def test_csot_prose_8_the_lower_limit_holds_for_the_selection_of_a_server(options: str) -> None:
    with MongoClient[Any](f"mongodb://127.0.0.1:1/?{options}") as client:
        begun = time.monotonic()
        with pytest.raises(ServerSelectionTimeoutError):
            client.admin.command("ping")
        assert 0.2 <= time.monotonic() - begun < 3.0


def test_csot_prose_9_the_end_of_a_session_ends_with_the_limit(
    make: Callable[[int], MongoClient[Any]], reference: pymongo.MongoClient[Any]
) -> None:
    """Aborting has no error to tell, but takes no longer."""
    client = make(600)
    reference[NAME].create_collection("c")
    session = client.start_session()
    session.start_transaction()
    client[NAME].c.insert_one({"x": 1}, session=session)
    with blocking(reference, {"times": 1}, 5000, "abortTransaction"):
        begun = time.monotonic()
        session.end_session()
        assert time.monotonic() - begun < 4.0


def test_csot_prose_10_a_failed_transaction_is_aborted_with_a_limit_of_its_own(
    make: Callable[[int], MongoClient[Any]], reference: pymongo.MongoClient[Any], seen: Recorder
) -> None:
    client = make(600)
    reference[NAME].create_collection("c")

    def insert(session: Any) -> None:
        client[NAME].c.insert_one({"_id": 1}, session=session)

    with (
        client.start_session() as session,
        blocking(reference, {"times": 2}, 900, "insert", "abortTransaction"),
        timing_out(),
    ):
        session.with_transaction(insert)
    started = [each for each in names(seen) if each in ("insert", "abortTransaction")]
    failed = [event.command_name for event in seen.of(CommandFailedEvent)]
    # Another abortTransaction may follow, of the end of the session.
    assert started[:2] == ["insert", "abortTransaction"]
    assert failed[:2] == ["insert", "abortTransaction"]
