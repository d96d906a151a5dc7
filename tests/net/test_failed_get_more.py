"""What the server has seen of a cursor when its reader gets an error."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

FIRST = {"cursor": {"id": 7, "ns": "test.c", "firstBatch": [{"_id": 1}]}}
REFUSED = {"ok": 0.0, "code": 13, "errmsg": "not authorized"}


def open_find(collection: Any) -> Any:
    return collection.find()


def open_aggregate(collection: Any) -> Any:
    return collection.aggregate([])


@pytest.mark.parametrize(("name", "opened"), [("find", open_find), ("aggregate", open_aggregate)])
def test_a_cursor_is_closed_before_the_error_of_its_get_more_is_raised(
    scripted_server: ScriptedServer, connect_through: Connect, name: str, opened: Any
) -> None:
    """D08: nobody waits here, so it was sent before."""
    client = connect_through(scripted_server.uri)
    scripted_server.script(name, FIRST)
    scripted_server.script("getMore", REFUSED)
    scripted_server.on("killCursors", {"ok": 1.0})
    cursor = opened(client.test.c)
    with pytest.raises(OperationFailure, match="not authorized"):
        list(cursor)
    assert [each.document["cursors"] for each in scripted_server.commands("killCursors")] == [[7]]
    (kill,), (more,) = scripted_server.commands("killCursors"), scripted_server.commands("getMore")
    assert kill.document.get("lsid") == more.document.get("lsid")
