"""The messages of a collection's bulk write are sent again one by one, where they may be."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import DeleteMany, DeleteOne, InsertOne, UpdateMany, UpdateOne
from pymongo.errors import AutoReconnect, ConfigurationError
from pymongo.write_concern import WriteConcern

from greenmongo.errors import written_before
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Answer, ScriptedServer, hang_up

UPDATE = {"$set": {"x": 1}}


@pytest.fixture
def things(scripted_server: ScriptedServer, connect_through: Connect) -> Any:
    scripted_server.hello.update(
        setName="rs",
        hosts=[scripted_server.host],
        primary=scripted_server.host,
        maxWriteBatchSize=2,
    )
    for name in ("insert", "update", "delete"):
        scripted_server.on(name, {"n": 1, "nModified": 1})
    client = connect_through(scripted_server.uri, retryWrites=True)
    client.admin.command("ping")
    return client.db.things


def numbers(server: ScriptedServer) -> list[int | None]:
    """Return which write each message was, by its session and its transaction number."""
    known: list[Any] = []
    found: list[int | None] = []
    for each in server.commands():
        if each.name in {"insert", "update", "delete"}:
            identity = (each.document["lsid"], each.document.get("txnNumber"))
            if identity[1] is None:
                found.append(None)
                continue
            if identity not in known:
                known.append(identity)
            found.append(known.index(identity))
    return found


def test_each_message_has_a_number_of_its_own(things: Any, scripted_server: ScriptedServer) -> None:
    lost = Answer(manner=hang_up)
    scripted_server.script("insert", {"n": 2}, lost)
    scripted_server.script("update", lost)
    operations = [InsertOne({}), InsertOne({}), InsertOne({}), UpdateOne({}, UPDATE), DeleteOne({})]
    result = things.bulk_write(operations)
    assert (result.inserted_count, result.modified_count, result.deleted_count) == (3, 1, 1)
    assert numbers(scripted_server) == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("model", [UpdateMany({}, UPDATE), DeleteMany({})])
def test_one_that_changes_several_documents_is_not_sent_again(
    things: Any, scripted_server: ScriptedServer, model: Any
) -> None:
    lost = Answer(manner=hang_up)
    scripted_server.script("insert", lost)
    name = "update" if isinstance(model, UpdateMany) else "delete"
    scripted_server.script(name, lost)
    with pytest.raises(AutoReconnect) as caught:
        things.bulk_write([InsertOne({}), model, InsertOne({})])
    assert numbers(scripted_server) == [0, 0, None]
    written = written_before(caught.value)
    assert written is not None
    assert written["nInserted"] == 1


def test_a_sort_that_nobody_answers_needs_a_server_that_knows_it(
    things: Any, scripted_server: ScriptedServer
) -> None:
    unacknowledged = things.with_options(write_concern=WriteConcern(w=0))
    try:
        models = [UpdateOne({}, UPDATE, sort={"x": 1})]
    except TypeError:
        pytest.skip("this PyMongo has no sort")
    with pytest.raises(ConfigurationError, match=r"8\.0\+ to use sort"):
        unacknowledged.bulk_write(models)
    assert scripted_server.count("update") == 0
