"""What type checkers make of the classes of PyMongo 2.x. Checked, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge import AsyncConnection, AsyncLegacyCollection, AsyncLegacyDatabase
from greenmongo import Connection
from greenmongo.legacy import LegacyCollection, LegacyCursor, LegacyDatabase

if TYPE_CHECKING:
    from typing_extensions import assert_type


def blocking(client: Connection[dict[str, Any]]) -> None:
    assert_type(client.db, LegacyDatabase[dict[str, Any]])
    assert_type(client["db"].c, LegacyCollection[dict[str, Any]])
    assert_type(client.db.c.find(spec={}, fields=["x"]), LegacyCursor[dict[str, Any]])
    assert_type(client.db.c.find().limit(3).count(), int)
    assert_type(client.db.c.find_one(5), dict[str, Any] | None)
    assert_type(client.db.c.update({}, {}, safe=True), dict[str, Any] | None)
    assert_type(client.db.connection.database_names(), list[str])
    client.db.c.save({}, manipulat=True)  # taken for an option, and refused when it runs
    client.db.c.count(1)  # type: ignore[call-arg] # the point


async def bridged(client: AsyncConnection[dict[str, Any]]) -> None:
    assert_type(client.db, AsyncLegacyDatabase[dict[str, Any]])
    assert_type(client["db"].c, AsyncLegacyCollection[dict[str, Any]])
    assert_type(await client.db.c.find({}).count(), int)
    assert_type(await client.db.c.update({}, {}, safe=True), dict[str, Any] | None)
    assert_type(await client.db.collection_names(), list[str])
    await client.db.c.count(1)  # type: ignore[call-arg] # the point
