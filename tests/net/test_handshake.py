"""The first command on each connection."""

from __future__ import annotations

import pytest

from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Received, ScriptedServer
from tests.support.scripted_wire import OP_MSG


def first_hellos(server: ScriptedServer) -> list[Received]:
    """Return the first command of each connection."""
    return list({each.connection.number: each for each in reversed(server.commands())}.values())


def later_hellos(server: ScriptedServer) -> list[Received]:
    first = first_hellos(server)
    return [each for each in server.commands("hello") if each not in first]


def test_the_first_hello_is_an_op_msg_by_its_legacy_name(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    """D04: on a monitor's connection and on one for operations."""
    client_of(scripted_server.uri).admin.command("ping")
    first = first_hellos(scripted_server)
    assert len(first) >= 2
    for each in first:
        assert each.request.op_code == OP_MSG
        assert next(iter(each.document)) == "isMaster"
        assert each.document["helloOk"] is True
        assert each.document["$db"] == "admin"


@pytest.mark.parametrize(("hello_ok", "name"), [(True, "hello"), (None, "isMaster")])
def test_checks_use_the_legacy_name_only_with_a_server_that_needs_it(
    scripted_server: ScriptedServer, client_of: Connect, hello_ok: bool | None, name: str
) -> None:
    """D04: a server that knows the modern name says so in its first reply."""
    scripted_server.hello["helloOk"] = hello_ok
    client_of(scripted_server.uri, heartbeatFrequencyMS=500).admin.command("ping")
    scripted_server.wait_for(lambda: later_hellos(scripted_server))
    for each in later_hellos(scripted_server):
        assert each.request.op_code == OP_MSG
        assert next(iter(each.document)) == name
