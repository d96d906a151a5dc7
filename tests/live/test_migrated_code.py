"""Code written for another driver runs once it has been moved, and does what it did."""

from __future__ import annotations

import textwrap

import pytest

from greenmongo.cli.migrate.source import move_source

pytestmark = pytest.mark.live

MOTOR = """\
    import asyncio
    from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection

    async def totals(orders: AsyncIOMotorCollection):
        pipeline = [{"$group": {"_id": "$item", "n": {"$sum": "$n"}}}, {"$sort": {"_id": 1}}]
        return [row["n"] async for row in orders.aggregate(pipeline)]

    async def main():
        client = AsyncIOMotorClient(URI)
        orders = client.get_database("moved_code").orders
        await orders.drop()
        await orders.insert_many([{"item": "lamp", "n": 2}, {"item": "desk", "n": 1}])
        async with await client.start_session() as session:
            await orders.update_one({"item": "lamp"}, {"$inc": {"n": 1}}, session=session)
        indexes = await orders.list_indexes().to_list(None)
        found = await totals(orders), len(indexes)
        await client.drop_database("moved_code")
        client.close()
        return found

    FOUND = asyncio.run(main())
    """

PYMONGO_2 = """\
    from pymongo import Connection
    from pymongo.errors import OperationFailure

    connection = Connection(URI)
    orders = connection.moved_code.orders
    orders.drop()
    with connection.start_request():
        orders.insert([{"item": "lamp", "n": 2}, {"item": "desk", "n": 1}], safe=True)
        orders.update({"item": "lamp"}, {"$inc": {"n": 1}}, safe=True)
        FOUND = [row["n"] for row in orders.find(fields=["n"], sort=[("item", 1)])], orders.count()
    connection.drop_database("moved_code")
    connection.disconnect()
    connection.close()
    """

PYMONGO = """\
    import pymongo
    from pymongo.errors import DuplicateKeyError

    with pymongo.MongoClient(URI) as client:
        orders = client.moved_code.orders
        orders.drop()
        orders.insert_one({"_id": 1})
        try:
            orders.insert_one({"_id": 1})
        except DuplicateKeyError as error:
            FOUND = error.code, orders.find().sort("_id", pymongo.DESCENDING).to_list()
        client.drop_database("moved_code")
    """


@pytest.mark.parametrize(
    ("source", "as_async", "expected"),
    [
        pytest.param(MOTOR, False, ([1, 3], 1), id="motor"),
        pytest.param(MOTOR, True, ([1, 3], 1), id="motor-to-async"),
        pytest.param(PYMONGO_2, False, ([1, 3], 2), id="pymongo-2"),
        pytest.param(PYMONGO, False, (11000, [{"_id": 1}]), id="pymongo-4"),
    ],
)
def test_it_does_what_it_did(source: str, as_async: bool, expected: object, mongo_uri: str) -> None:
    text = textwrap.dedent(source).encode()
    moved = move_source(text, motor_becomes_async=as_async).text
    assert not {b"pymongo", b"motor.motor_asyncio"} & set(moved.split())
    names: dict[str, object] = {"URI": mongo_uri}
    exec(compile(moved, "moved.py", "exec"), names)
    assert names["FOUND"] == expected
