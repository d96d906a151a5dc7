from __future__ import annotations

from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo.server_api import ServerApi

from greenmongo._core.hello import build_handshake, build_hello


def test_the_first_command_uses_the_old_name_that_every_server_knows() -> None:
    command = build_handshake({"driver": {}})
    assert list(command.items()) == [
        ("isMaster", 1),
        ("helloOk", True),
        ("backpressure", "2"),
        ("client", {"driver": {}}),
    ]


def test_behind_a_load_balancer_the_handshake_is_a_hello() -> None:
    command = build_handshake({}, load_balanced=True)
    assert list(command.items()) == [
        ("hello", 1),
        ("helloOk", True),
        ("backpressure", "2"),
        ("client", {}),
        ("loadBalanced", True),
    ]


def test_the_handshake_offers_compressors_and_starts_authentication() -> None:
    command = build_handshake(
        {},
        compressors=("zstd", "zlib"),
        sasl_supported_mechs="admin.me",
        speculative_auth={"saslStart": 1},
    )
    assert command["compression"] == ["zstd", "zlib"]
    assert command["saslSupportedMechs"] == "admin.me"
    assert command["speculativeAuthenticate"] == {"saslStart": 1}


@pytest.mark.parametrize(
    ("api", "fields"),
    [
        (ServerApi("1"), {"apiVersion": "1"}),
        (
            ServerApi("1", strict=True, deprecation_errors=False),
            {"apiVersion": "1", "apiStrict": True, "apiDeprecationErrors": False},
        ),
    ],
)
def test_an_api_version_implies_the_new_name(api: ServerApi, fields: dict[str, Any]) -> None:
    assert build_handshake({}, server_api=api) == {
        "hello": 1,
        "helloOk": True,
        "backpressure": "2",
        "client": {},
        **fields,
    }


@pytest.mark.parametrize(("hello_ok", "name"), [(True, "hello"), (False, "isMaster")])
def test_a_check_uses_the_name_the_server_knows(hello_ok: bool, name: str) -> None:
    assert build_hello(hello_ok=hello_ok) == {name: 1, "helloOk": True}


def test_a_check_may_wait_for_news() -> None:
    version = {"processId": ObjectId(), "counter": 1}
    command = build_hello(hello_ok=True, topology_version=version, max_await_time=10.0)
    assert command["topologyVersion"] is version
    assert command["maxAwaitTimeMS"] == 10_000


def test_a_check_cannot_wait_without_knowing_what_for() -> None:
    assert build_hello(hello_ok=True, max_await_time=10.0) == build_hello(hello_ok=True)
