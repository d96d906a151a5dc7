"""Documents of classes of the user's, wherever they are, are read in the caller's place."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextvars import ContextVar
from datetime import datetime, timedelta, tzinfo
from typing import Any

import bson
import pytest
from bson.dbref import DBRef
from bson.errors import InvalidDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import OperationFailure

import bridge
from bridge import motor
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

seen: ContextVar[str] = ContextVar("seen", default="nobody's")

Places = set[tuple[int, str]]


class Noting(MutableMapping[str, Any]):
    """A document whose methods note the thread that they are called in, and a variable there."""

    def __init__(self, places: Places, **fields: Any) -> None:
        self.places, self.fields = places, fields

    def note(self) -> None:
        self.places.add((threading.get_ident(), seen.get()))

    def __getitem__(self, key: str) -> Any:
        self.note()
        return self.fields[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.note()
        self.fields[key] = value

    def __delitem__(self, key: str) -> None:
        self.note()
        del self.fields[key]

    def __iter__(self) -> Iterator[str]:
        self.note()
        return iter(self.fields)

    def __len__(self) -> int:
        self.note()
        return len(self.fields)


Made = Callable[..., Noting]
Act = Callable[[Any, Made], Awaitable[Any]]


def inside(made: Made) -> dict[str, Any]:
    return {"a": [{"b": made(x=1)}]}


ACTS: dict[str, Act] = {
    "find_one": lambda db, made: db.c.find_one(made(x=1)),
    "find_one, $query": lambda db, made: db.c.find_one({"$query": made(x=1)}),
    "find_one, inside": lambda db, made: db.c.find_one(inside(made)),
    "find_one, positional": lambda db, made: db.c.find_one(made(x=1), made(x=1)),
    "find_one, options": lambda db, made: db.c.find_one(
        {}, projection=made(x=1), sort=made(x=1), hint=made(x=1), let=made(x=1)
    ),
    "find": lambda db, made: db.c.find(made(x=1)).to_list(None),
    "find, $query": lambda db, made: db.c.find({"$query": made(x=1)}).to_list(None),
    "find, options": lambda db, made: (
        db.c.find({}, made(x=1), let=made(x=1)).sort(made(x=1)).hint(made(x=1)).to_list(None)
    ),
    "count_documents": lambda db, made: db.c.count_documents(made(x=1), hint=made(x=1)),
    "distinct": lambda db, made: db.c.distinct("x", made(x=1)),
    "replace_one": lambda db, made: db.c.replace_one(made(x=1), made(x=1)),
    "update_one": lambda db, made: db.c.update_one({"x": 1}, made(**{"$set": {"x": 1}})),
    "update_one, inside": lambda db, made: db.c.update_one({"x": 1}, {"$set": {"x": made(x=1)}}),
    "update_one, pipeline": lambda db, made: db.c.update_one({}, [made(**{"$set": {"x": 1}})]),
    "update_many": lambda db, made: db.c.update_many(
        made(x=1), {"$set": {"x.$[e]": 1}}, array_filters=[made(e=1)], let=made(x=1)
    ),
    "delete_one": lambda db, made: db.c.delete_one(made(x=1), hint=made(x=1)),
    "delete_many": lambda db, made: db.c.delete_many(made(x=1), let=made(x=1)),
    "find_one_and_update": lambda db, made: db.c.find_one_and_update(
        made(x=1), made(**{"$set": {"x": 1}}), projection=made(x=1), sort=made(x=1)
    ),
    "find_one_and_replace": lambda db, made: db.c.find_one_and_replace(made(x=1), made(x=1)),
    "find_one_and_delete": lambda db, made: db.c.find_one_and_delete(made(x=1)),
    "insert_one": lambda db, made: db.c.insert_one(made(_id=1)),
    "insert_one, inside": lambda db, made: db.c.insert_one(inside(made)),
    "insert_many": lambda db, made: db.c.insert_many([inside(made), {"_id": 2}, made(_id=3)]),
    "insert_many, stream": lambda db, made: db.c.insert_many(inside(made) for _ in range(2)),
    "bulk_write": lambda db, made: db.c.bulk_write(
        [
            InsertOne(inside(made)),
            UpdateOne(made(x=1), {"$set": {"x": made(x=1)}}, hint=made(x=1)),
            UpdateMany({}, made(**{"$set": {"x": 1}}), array_filters=[made(x=1)]),
            ReplaceOne(inside(made), made(x=1)),
            DeleteOne(made(x=1)),
        ],
        let=made(x=1),
    ),
    "bulk_write of a client": lambda db, made: db.client.bulk_write(
        [InsertOne(inside(made), namespace="db.c"), DeleteOne(made(x=1), namespace="db.c")]
    ),
    "create_index": lambda db, made: db.c.create_index(
        made(x=1), partialFilterExpression=made(x=1)
    ),
    "create_index of pairs": lambda db, made: db.c.create_index(made(x=1).items()),
    "command": lambda db, made: db.command(made(whoami=1)),
    "command, inside": lambda db, made: db.command({"whoami": 1, "writeConcern": made(w=1)}),
    "command, options": lambda db, made: db.command("whoami", readConcern=made(), x=[made()]),
    "list_collection_names": lambda db, made: db.list_collection_names(filter=made(name="x")),
}


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.hello.update(maxWireVersion=25)
    scripted_server.on("bulkWrite", {"n": 2, "cursor": {"id": 0, "firstBatch": []}})
    scripted_server.on("findAndModify", {"value": None})
    scripted_server.on("distinct", {"values": []})
    return scripted_server


async def act_on(client: Any, act: Act, places: Places) -> None:
    seen.set("the task's")
    try:
        await act(client.db, lambda **fields: Noting(places, **fields))
    except OperationFailure:
        # A scripted server does not know all of them; what counts is how they were sent.
        return


@pytest.mark.parametrize("name", ACTS)
def test_a_tasks_documents_are_read_in_the_task(server: ScriptedServer, name: str) -> None:
    places: Places = set()

    async def main() -> None:
        async with bridge.AsyncMongoClient[Any](server.uri, timeoutMS=10_000) as client:
            await act_on(client, ACTS[name], places)

    asyncio.run(main())
    assert places == {(threading.get_ident(), "the task's")}


@pytest.mark.parametrize("name", ["insert_one, inside", "update_many", "bulk_write", "find"])
def test_so_are_those_of_motors_face(server: ScriptedServer, name: str) -> None:
    places: Places = set()

    async def main() -> None:
        client: Any = motor.AsyncIOMotorClient(server.uri)
        try:
            await act_on(client, ACTS[name], places)
        finally:
            client.close()

    asyncio.run(main())
    assert places == {(threading.get_ident(), "the task's")}


@pytest.mark.parametrize("name", [name for name in ACTS if "stream" not in name])
def test_a_threads_documents_are_read_in_the_thread(
    server: ScriptedServer, client_of: Connect, name: str
) -> None:
    places: Places = set()
    client = client_of(server.uri, timeoutMS=10_000)
    token = seen.set("the thread's")

    try:
        ACTS[name](client.db, lambda **fields: Noting(places, **fields))
    except OperationFailure:
        pass
    finally:
        seen.reset(token)
    assert places == {(threading.get_ident(), "the thread's")}


class Zone(tzinfo):
    """UTC, by a class of the user's."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def utcoffset(self, dt: datetime | None) -> timedelta:
        self.places.add((threading.get_ident(), seen.get()))
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "the user's"


class Opaque:
    """What cannot be encoded, which is said with its own words."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def __repr__(self) -> str:
        self.places.add((threading.get_ident(), seen.get()))
        return "opaque"


OTHERS: dict[str, Callable[[Places], Any]] = {
    "a time zone": lambda places: datetime(2026, 1, 2, tzinfo=Zone(places)),
    "a reference": lambda places: DBRef("c", Noting(places, x=1)),
    "a scope": lambda places: bson.Code("f", Noting(places, x=1)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_so_is_what_has_code_of_the_users_inside(server: ScriptedServer, name: str) -> None:
    places: Places = set()

    async def main() -> None:
        async with bridge.AsyncMongoClient[Any](server.uri) as client:
            await act_on(client, lambda db, _: db.c.find_one({"x": OTHERS[name](places)}), places)
            await act_on(client, lambda db, _: db.c.insert_one({"x": OTHERS[name](places)}), places)

    asyncio.run(main())
    assert places == {(threading.get_ident(), "the task's")}


def test_so_is_what_cannot_be_encoded(server: ScriptedServer) -> None:
    places: Places = set()

    async def main() -> None:
        seen.set("the task's")
        async with bridge.AsyncMongoClient[Any](server.uri) as client:
            for act in (client.db.c.insert_one, client.db.c.find_one, client.db.c.delete_one):
                with pytest.raises(InvalidDocument, match="opaque"):
                    await act({"x": Opaque(places)})

    asyncio.run(main())
    assert places == {(threading.get_ident(), "the task's")}


def test_metadata_of_files_is_read_in_the_task(server: ScriptedServer) -> None:
    """Of the documents that an upload writes, some have what the user gave."""
    places: Places = set()
    server.on("listIndexes", {"cursor": {"id": 0, "ns": "db.fs.files", "firstBatch": []}})
    server.on("createIndexes", {})

    async def main() -> None:
        seen.set("the task's")
        async with bridge.AsyncMongoClient[Any](server.uri) as client:
            bucket = bridge.AsyncGridFSBucket(client.db)
            data = Noting(places, x=1)
            await bucket.upload_from_stream("name", b"x" * 100, metadata={"inside": data})
            await bucket.upload_from_stream_with_id(data, "name", b"x" * 100, metadata=data)

    asyncio.run(main())
    assert places == {(threading.get_ident(), "the task's")}
    inserted = [each.document["insert"] for each in server.commands("insert")]
    assert sorted(inserted) == ["fs.chunks", "fs.chunks", "fs.files", "fs.files"]
