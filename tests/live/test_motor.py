"""What is written for Motor does the same here, with another import line."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

import pytest
from pymongo import DeleteMany, InsertOne
from pymongo.errors import PyMongoError

import bridge.motor as ours
from bridge import block_on

theirs = pytest.importorskip("motor.motor_asyncio")
core = pytest.importorskip("motor.core")
files = pytest.importorskip("motor.motor_gridfs")

pytestmark = pytest.mark.live

CLASSES = {
    "AsyncIOMotorClient": core.AgnosticClient,
    "AsyncIOMotorClientSession": core.AgnosticClientSession,
    "AsyncIOMotorDatabase": core.AgnosticDatabase,
    "AsyncIOMotorCollection": core.AgnosticCollection,
    "AsyncIOMotorCursor": core.AgnosticCursor,
    "AsyncIOMotorCommandCursor": core.AgnosticCommandCursor,
    "AsyncIOMotorGridFSBucket": files.AgnosticGridFSBucket,
    "AsyncIOMotorGridIn": files.AgnosticGridIn,
    "AsyncIOMotorGridOut": files.AgnosticGridOut,
    "AsyncIOMotorGridOutCursor": files.AgnosticGridOutCursor,
}
INSIDE = {"coroutine_annotation", "unwrap", "wrap"}
"""Without an underscore, but nobody's business."""

Doc = dict[str, Any]


@pytest.mark.parametrize("name", CLASSES)
def test_whatever_motor_has_is_here(name: str) -> None:
    mine = {attribute for attribute in dir(getattr(ours, name)) if not attribute.startswith("_")}
    motors = {attribute for attribute in dir(CLASSES[name]) if not attribute.startswith("_")}
    assert motors - mine - INSIDE == set()


def test_the_module_has_the_names_of_motors() -> None:
    assert set(ours.__all__) <= set(theirs.__all__)


async def reads(things: Any) -> Any:
    found = [document async for document in things.find().sort("_id").limit(3)]
    one = await things.find_one({"_id": 5})
    return found, one, await things.count_documents({}), await things.distinct("_id")


async def writes(things: Any) -> Any:
    one = await things.insert_one({"_id": 10})
    many = await things.update_many({"_id": {"$gt": 7}}, {"$set": {"a": 1}})
    gone = await things.delete_one({"_id": 0})
    return one.inserted_id, many.modified_count, gone.deleted_count


async def bulk_write(things: Any) -> Any:
    operations = [InsertOne({"_id": 10}), DeleteMany({"_id": {"$lt": 3}})]
    future = things.bulk_write(operations)
    assert isinstance(future, asyncio.Future)
    return (await future).bulk_api_result


async def a_bulk_write_that_fails(things: Any) -> Any:
    return await things.bulk_write([InsertOne({"_id": 1})], ordered=False)


async def to_list(things: Any) -> Any:
    cursor = things.find().sort("_id")
    portions = [await cursor.to_list(length=4) for _ in range(4)]
    last = things.find({"_id": 1})
    portions.append(await last.next())
    with pytest.raises(StopAsyncIteration):
        await last.next()
    return portions, await things.find().sort("_id").to_list(None), await cursor.to_list(length=4)


async def to_list_of_nothing(things: Any) -> Any:
    return await things.find().to_list(0)


async def to_list_of_less(things: Any) -> Any:
    return await things.find().to_list(-1)


async def to_list_without_end(things: Any) -> Any:
    log = await things.database.create_collection("log", capped=True, size=10_000)
    return await log.find(cursor_type=2).to_list(5)


async def aggregate(things: Any) -> Any:
    pipeline = [{"$match": {"_id": {"$lt": 3}}}, {"$sort": {"_id": 1}}]
    found = [document async for document in things.aggregate(pipeline)]
    return found, await things.aggregate(pipeline).to_list(None)


async def fetch_next(things: Any) -> Any:
    cursor, found = things.find().sort("_id").batch_size(3), []
    while await cursor.fetch_next:
        found.append(cursor.next_object())
    return found, cursor.next_object(), cursor.alive


async def each(things: Any) -> Any:
    seen: list[Any] = []
    over = asyncio.get_running_loop().create_future()

    def take(document: Any, error: Any) -> None:
        seen.append((document, error))
        if document is None:
            over.set_result(None)

    assert things.find().sort("_id").batch_size(3).each(take) is None
    await over
    return seen


async def each_until_told_to_stop(things: Any) -> Any:
    seen: list[Any] = []
    enough = asyncio.Event()

    def take(document: Any, error: Any) -> Any:
        seen.append(document)
        if len(seen) == 2:
            enough.set()
            return False
        return None

    cursor = things.find().sort("_id").batch_size(2)
    cursor.each(take)
    await enough.wait()
    return seen, await cursor.to_list(3)


async def each_of_what_fails(things: Any) -> Any:
    over = asyncio.get_running_loop().create_future()
    things.find({"$no": 1}).each(lambda document, error: over.set_result((document, error.code)))
    return await over


async def each_of_nobody(things: Any) -> Any:
    return things.find().each(None)


async def futures(things: Any) -> Any:
    future = things.insert_one({"_id": "not awaited"})
    seen = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda it: seen.set_result(it.result().inserted_id))
    done, pending = await asyncio.wait([things.find_one({"_id": n}) for n in range(3)])
    return isinstance(future, asyncio.Future), await seen, len(done), len(pending)


async def what_nobody_awaits(things: Any) -> Any:
    things.insert_one({"_id": "not awaited"})
    gc.collect()
    deadline = monotonic() + 10
    while monotonic() < deadline:
        if await things.count_documents({}) == 11:
            return True
    return False


async def an_error(things: Any) -> Any:
    return await things.insert_one({"_id": 1})


async def where_it_belongs(things: Any) -> Any:
    database, client = things.database, things.database.client
    here = asyncio.get_running_loop()
    loops = [it.get_io_loop() is here for it in (client, database, things, things.find())]
    loops += [client.io_loop is here, things.aggregate([]).get_io_loop() is here]
    names = [things.full_name, things["more"].name, database.name, client["other"].name]
    names += [type(it).__name__ for it in (client, database, things, things.more, things.find())]
    names += [things.with_options().name, database.with_options().name]
    names += [client.get_database("x").name, database.get_collection("y").full_name]
    return loops, names, things.delegate.name, database.delegate.name


async def what_is_known(things: Any) -> Any:
    client = things.database.client
    address = client.address
    return (
        {address} <= {*client.nodes},
        client.primary == address,
        client.secondaries,
        client.arbiters,
        client.is_primary,
        client.is_mongos,
    )


async def lists(things: Any) -> Any:
    await things.create_index("a", name="by_a")
    database = things.database
    return (
        [index["name"] async for index in things.list_indexes()],
        await database.list_collection_names(),
        [each["name"] async for each in await database.list_collections()],
        "motor" in [each["name"] async for each in await database.client.list_databases()],
        (await database.command("ping"))["ok"],
    )


@pytest.mark.parametrize(
    "act",
    [
        reads,
        writes,
        bulk_write,
        a_bulk_write_that_fails,
        to_list,
        to_list_of_nothing,
        to_list_of_less,
        to_list_without_end,
        aggregate,
        fetch_next,
        each,
        each_until_told_to_stop,
        each_of_what_fails,
        each_of_nobody,
        futures,
        what_nobody_awaits,
        an_error,
        where_it_belongs,
        what_is_known,
        lists,
    ],
)
@pytest.mark.asyncio
async def test_an_act_comes_out_as_with_motor(
    mongo_uri: str, act: Callable[[Any], Coroutine[Any, Any, Any]]
) -> None:
    outcomes = []
    for module in (theirs, ours):
        client = module.AsyncIOMotorClient(mongo_uri)
        try:
            await client.drop_database("motor")
            await client.motor.things.insert_many([{"_id": n} for n in range(10)])
            outcomes.append(await outcome(act, client.motor.things))
            await client.drop_database("motor")
        finally:
            client.close()
    assert outcomes[0] == outcomes[1]


async def outcome(act: Callable[[Any], Coroutine[Any, Any, Any]], things: Any) -> Any:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = ("returned", await act(things))
        except PyMongoError as error:
            result = ("raised", (type(error), getattr(error, "code", None)))
        except (TypeError, ValueError) as error:
            result = ("raised", type(error))
    return result, {warning.category for warning in told if "deprecated" in str(warning.message)}


# ---- what Motor does not have --------------------------------------------------------------------


@pytest.mark.asyncio
async def test_futures_belong_to_the_request_of_the_task_that_made_them(mongo_uri: str) -> None:
    client: ours.AsyncIOMotorClient[Doc] = ours.AsyncIOMotorClient(mongo_uri)
    async with client.start_request():
        told = await asyncio.gather(*[client.admin.command("hello") for _ in range(5)])
        assert len({each["connectionId"] for each in told}) == 1
    await client.close()


@pytest.mark.asyncio
async def test_what_blocking_code_awaits_does_not_wait_for_the_request_that_it_is_in(
    mongo_uri: str,
) -> None:
    client: ours.AsyncIOMotorClient[Doc] = ours.AsyncIOMotorClient(mongo_uri)

    async def ping() -> Any:
        return (await client.admin.command("ping"))["ok"]

    async with client.start_request():
        assert await client.run(lambda: block_on(ping())) == 1.0
    await client.close()


def test_one_client_serves_one_loop_after_another(mongo_uri: str) -> None:
    client: ours.AsyncIOMotorClient[Doc] = ours.AsyncIOMotorClient(mongo_uri)

    async def ping() -> Any:
        return (await client.admin.command("ping"))["ok"]

    assert [asyncio.run(ping()) for _ in range(3)] == [1.0] * 3
    client.delegate.close()


def test_before_a_loop_runs_the_given_one_counts(mongo_uri: str) -> None:
    loop = asyncio.new_event_loop()
    client: ours.AsyncIOMotorClient[Doc] = ours.AsyncIOMotorClient(mongo_uri, io_loop=loop)
    assert client.io_loop is loop
    assert loop.run_until_complete(client.admin.command("ping"))["ok"] == 1.0
    client.delegate.close()
    loop.close()


def test_a_loop_of_another_kind_is_refused(mongo_uri: str) -> None:
    loop: Any = object()
    with pytest.raises(TypeError, match="io_loop must be an event loop of asyncio"):
        ours.AsyncIOMotorClient(mongo_uri, io_loop=loop)
    with pytest.raises(TypeError):
        theirs.AsyncIOMotorClient(mongo_uri, io_loop=loop)


@pytest.mark.asyncio
async def test_a_subclass_may_stand_before_another_cursor(mongo_uri: str) -> None:
    class Titles(ours.AsyncIOMotorCursor[Doc]):
        """As object mappers write them: nothing of the base class is set up."""

        def __init__(self, cursor: Any) -> None:
            self.raw = cursor

        async def next(self) -> Any:
            return (await self.raw.next())["title"]

        __anext__ = next

    client = ours.AsyncIOMotorClient[Doc](mongo_uri)
    things = client.test_motor_subclass.things
    await things.insert_many([{"title": "a"}, {"title": "b"}])

    cursor = Titles(things.find().sort("title"))

    assert asyncio.iscoroutinefunction(Titles.next)
    assert await cursor.next() == "a"
    assert [title async for title in cursor] == ["b"]
    await client.drop_database("test_motor_subclass")
    client.close()
