"""Gossipping the cluster time, with commands that have no session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.timestamp import Timestamp
from pymongo.write_concern import WriteConcern

from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

NOW = {"clusterTime": Timestamp(9, 1)}
LATER = {"clusterTime": Timestamp(9, 2)}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("insert", lambda c: c.insert_one({"_id": 1})),
        ("insert", lambda c: c.insert_many([{"_id": 1}, {"_id": 2}])),
        ("update", lambda c: c.update_many({}, {"$set": {"a": 1}})),
        ("delete", lambda c: c.delete_one({})),
    ],
)
def test_an_unacknowledged_write_gossips_the_cluster_time(
    scripted_server: ScriptedServer,
    connect_through: Connect,
    name: str,
    write: Callable[[Any], object],
) -> None:
    """D09: the newest that any reply has told, and no `lsid`."""
    client = connect_through(scripted_server.uri)
    for told in (NOW, LATER, NOW):
        scripted_server.script("ping", {"ok": 1.0, "$clusterTime": told})
        client.admin.command("ping")
    write(client.test.get_collection("c", write_concern=WriteConcern(w=0)))
    scripted_server.wait_for(lambda: scripted_server.commands(name))
    (sent,) = scripted_server.commands(name)
    assert sent.document["$clusterTime"] == LATER
    assert "lsid" not in sent.document
