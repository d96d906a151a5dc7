"""Commands beyond what a server accepts: refused before they are sent, as PyMongo does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.errors import ConfigurationError, DocumentTooLarge
from pymongo.write_concern import WriteConcern

from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

LIMIT = 10_000
FITS = "x" * (LIMIT - 1_000)
TOO_LARGE = "x" * (LIMIT + 17_000)


@pytest.fixture(params=["ours", "pymongo"])
def collection(
    request: pytest.FixtureRequest, scripted_server: ScriptedServer, client_of: Connect
) -> Iterator[Any]:
    """A collection on a server that takes little, through either driver."""
    scripted_server.hello["maxBsonObjectSize"] = LIMIT
    if request.param == "ours":
        yield client_of(scripted_server.uri).db.things
        return
    client: pymongo.MongoClient[Any]
    with pymongo.MongoClient(scripted_server.uri) as client:
        yield client.db.things


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("insert", lambda c, text: c.insert_one({"x": text})),
        ("update", lambda c, text: c.update_one({}, {"$set": {"x": text}})),
        ("update", lambda c, text: c.replace_one({}, {"x": text})),
        ("delete", lambda c, text: c.delete_one({"x": text})),
        ("find", lambda c, text: c.find_one({"x": text})),
        ("ping", lambda c, text: c.database.command("ping", comment=text)),
    ],
)
def test_one_that_is_too_large_is_not_sent(
    collection: Any, scripted_server: ScriptedServer, name: str, act: Callable[[Any, str], object]
) -> None:
    act(collection, FITS)
    with pytest.raises(DocumentTooLarge, match="too large"):
        act(collection, TOO_LARGE)
    assert scripted_server.count(name) == 1
    act(collection, FITS)
    assert scripted_server.count(name) == 2


def test_in_a_bulk_write_the_server_judges(
    collection: Any, scripted_server: ScriptedServer
) -> None:
    collection.insert_many([{"x": TOO_LARGE}])
    assert scripted_server.count("insert") == 1


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("insert", lambda c, text: c.insert_one({"x": text})),
        ("update", lambda c, text: c.replace_one({}, {"x": text})),
        ("delete", lambda c, text: c.delete_one({"x": text})),
    ],
)
def test_a_refusal_that_nobody_would_hear_of_comes_from_the_driver(
    collection: Any, scripted_server: ScriptedServer, name: str, act: Callable[[Any, str], object]
) -> None:
    slightly_too_large = "x" * LIMIT
    act(collection, slightly_too_large)
    with pytest.raises(DocumentTooLarge, match="too large"):
        act(collection.with_options(write_concern=WriteConcern(w=0)), slightly_too_large)
    assert scripted_server.count(name) == 1


@pytest.mark.parametrize("act", ["update_one", "replace_one"])
@pytest.mark.parametrize("wire_version", [21, 25])
def test_a_sort_is_not_sent_unacknowledged_to_a_server_that_knows_none(
    collection: Any, scripted_server: ScriptedServer, act: str, wire_version: int
) -> None:
    scripted_server.hello["maxWireVersion"] = wire_version
    change = {"$set": {"x": 1}} if act == "update_one" else {"x": 1}
    unacknowledged = getattr(collection.with_options(write_concern=WriteConcern(w=0)), act)
    if wire_version >= 25:
        unacknowledged({}, change, sort={"x": 1})
    else:
        with pytest.raises(ConfigurationError, match=r"8\.0\+"):
            unacknowledged({}, change, sort={"x": 1})
    getattr(collection, act)({}, change, sort={"x": 1})
    assert scripted_server.count("update") == 1 + (wire_version >= 25)
