from __future__ import annotations

from typing import Any

import pytest
from pymongo.driver_info import DriverInfo

from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

ODM = DriverInfo("odm", "2.0", "fancy")


def drivers(server: ScriptedServer) -> list[str]:
    """Return the names of driver and libraries that connections have told of."""
    hellos = [each.document for each in server.commands("hello")]
    return [hello["client"]["driver"]["name"] for hello in hellos if "client" in hello]


def test_libraries_are_told_of_when_connections_open(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, driver=ODM, connect=False)
    client.append_metadata(DriverInfo("framework"))
    client.admin.command("ping")
    assert set(drivers(scripted_server)) == {"greenmongo|odm|framework"}


def test_what_is_open_stays_open_and_is_told_nothing(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.append_metadata(ODM)
    client.admin.command("ping")
    first, second = scripted_server.commands("ping")
    assert first.connection is second.connection
    assert set(drivers(scripted_server)) == {"greenmongo"}


def test_a_library_is_named_once(scripted_server: ScriptedServer, client_of: Connect) -> None:
    client = client_of(scripted_server.uri, driver=ODM, connect=False)
    client.append_metadata(DriverInfo("odm", "2.0", "fancy"))
    client.admin.command("ping")
    assert set(drivers(scripted_server)) == {"greenmongo|odm"}


@pytest.mark.parametrize("info", [None, "odm", ("odm", "2.0", None)])
def test_only_driver_infos_are_taken(client_of: Connect, info: Any) -> None:
    with pytest.raises(TypeError, match="driver_info must be an instance of DriverInfo"):
        client_of("mongodb://a/", connect=False).append_metadata(info)
