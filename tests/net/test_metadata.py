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


def test_libraries_for_which_there_is_no_room_are_forgotten(client_of: Connect) -> None:
    client = client_of("mongodb://a/", connect=False)
    metadata = client._executor.metadata
    for number in range(100):
        client.append_metadata(DriverInfo(f"library {number}", f"1.{number}"))
    full, known = metadata.document, len(metadata._libraries)
    assert known < 100
    client.append_metadata(DriverInfo("one more", "2"))
    assert metadata.document is full
    assert len(metadata._libraries) == known
    assert full["driver"]["name"].startswith("greenmongo|library 0|library 1|")


def test_a_client_tells_of_the_environment_as_it_is_when_the_client_is_made(
    client_of: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    told = client_of("mongodb://a/", connect=False)._executor.metadata.document
    assert told["env"]["container"]["orchestrator"] == "kubernetes"
