"""Change streams outlive elections: every acknowledged change is seen once, and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from greenmongo.embedded import Member, MongoServer
from tests.support.fix_doors import start
from tests.support.fix_hub import Connect
from tests.support.fix_members import restore

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(120)]

DB = "test_streams_of_sets"
COUNT = 60


def step_down(primary: Member) -> None:
    # Not for long: soon all members would be among those that no longer want to be elected.
    primary.run({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 4})


def kill(primary: Member) -> None:
    primary.kill()


@pytest.fixture(scope="module")
def three() -> Iterator[MongoServer]:
    """Members with data alone: with an arbiter among four there is no majority without one."""
    with MongoServer(3) as server:
        yield server


@pytest.mark.parametrize("fault", [step_down, kill])
def test_a_stream_outlives_the_primary(
    three: MongoServer, connect_through: Connect, fault: Callable[[Member], None]
) -> None:
    primary = three.wait_for_primary()
    client = connect_through(three.uri, heartbeatFrequencyMS=500, serverSelectionTimeoutMS=60_000)
    aside: pymongo.MongoClient[Any] = pymongo.MongoClient(
        three.uri, heartbeatFrequencyMS=500, serverSelectionTimeoutMS=60_000
    )
    things = aside[DB].get_collection("things", write_concern=WriteConcern("majority"))
    things.drop()
    aside[DB].create_collection("things")

    def write() -> None:
        for number in range(COUNT):
            if number == COUNT // 3:
                fault(primary)
            while True:
                try:
                    things.update_one({"_id": number}, {"$setOnInsert": {}}, upsert=True)
                    break
                except PyMongoError:
                    continue

    try:
        with client[DB].things.watch() as stream:
            writing = start(write)
            seen: list[int] = []
            while len(seen) < COUNT:
                try:
                    seen.append(stream.next()["documentKey"]["_id"])
                except PyMongoError:
                    # The set had no primary for longer than one resumption takes.
                    assert stream.alive
            writing.result(60)
        assert seen == list(range(COUNT))
    finally:
        restore(three)
        aside.drop_database(DB)
        aside.close()
