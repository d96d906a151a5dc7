from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from bridge import AsyncMongoClient
from greenmongo import run, timeout
from greenmongo._net.time_limit import BLOCK, as_one_operation, deadline_of_caller
from tests.support.fix_doors import Door
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer


def limits(server: ScriptedServer) -> list[int | None]:
    """Return what each ping told of the time that is left."""
    return [each.document.get("maxTimeMS") for each in server.commands("ping")]


def test_a_block_limits_its_operations(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(scripted_server.uri)

    def use() -> None:
        with timeout(30):
            client.admin.command("ping")
        client.admin.command("ping")

    door.call(use)
    (inside, outside) = limits(scripted_server)
    assert inside is not None
    assert 20_000 < inside <= 30_000
    assert outside is None


@pytest.mark.parametrize(
    ("outer", "inner", "least", "most"),
    [(100, 30, 20_000, 30_000), (30, 100, 20_000, 30_000), (None, 30, 20_000, 30_000)],
)
def test_an_inner_block_can_only_shorten(
    scripted_server: ScriptedServer,
    client_of: Connect,
    outer: float | None,
    inner: float,
    least: int,
    most: int,
) -> None:
    client = client_of(scripted_server.uri)
    with timeout(outer), timeout(inner):
        client.admin.command("ping")
    (limit,) = limits(scripted_server)
    assert limit is not None
    assert least < limit <= most


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, None), (None, range(50_000, 60_001)), (5, range(5_001))]
)
def test_a_block_comes_before_the_clients_own_limit(
    scripted_server: ScriptedServer, client_of: Connect, seconds: float | None, expected: Any
) -> None:
    client = client_of(scripted_server.uri, timeoutMS=60_000)
    with timeout(seconds):
        client.admin.command("ping")
    (limit,) = limits(scripted_server)
    assert limit is expected if expected is None else limit in expected


@pytest.mark.parametrize(
    ("of_client", "of_block", "expected"),
    [({"timeoutMS": 0}, None, {"w": 1}), ({}, 0, {"w": 1}), ({}, None, {"w": 1, "wtimeout": 500})],
)
def test_a_time_limit_of_0_takes_the_place_of_wtimeout(
    scripted_server: ScriptedServer,
    client_of: Connect,
    of_client: dict[str, int],
    of_block: float | None,
    expected: dict[str, int],
) -> None:
    """D02: it is set, so the older limits give way as they do to any other."""
    client = client_of(scripted_server.uri, w=1, wTimeoutMS=500, **of_client)
    with timeout(of_block):
        client.test.c.insert_one({})
    (insert,) = scripted_server.commands("insert")
    assert insert.document["writeConcern"] == expected


def test_a_block_whose_time_is_over_sends_nothing(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    with timeout(1e-9), pytest.raises(PyMongoError) as caught:
        client.admin.command("ping")
    assert caught.value.timeout
    assert limits(scripted_server) == []


def test_what_runs_on_the_hub_thread_keeps_its_callers_limit(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    with timeout(30):
        run(client.admin.command, "ping")
    (limit,) = limits(scripted_server)
    assert limit is not None


def test_coroutines_are_limited_too(scripted_server: ScriptedServer) -> None:
    async def use() -> None:
        async with AsyncMongoClient[Any](scripted_server.uri) as client:
            with timeout(30):
                await client.admin.command("ping")
                async with client.start_request():
                    await client.admin.command("ping")
            await client.admin.command("ping")

    asyncio.run(use())
    first, in_request, outside = limits(scripted_server)
    assert None not in (first, in_request)
    assert outside is None


@pytest.mark.parametrize("seconds", ["1", b"1", [], True])
def test_only_numbers_are_taken(seconds: Any) -> None:
    with pytest.raises(TypeError, match="timeout must be"):
        timeout(seconds)


@pytest.mark.parametrize("seconds", [-1, -0.1, float("nan")])
def test_nothing_ends_before_it_begins(seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout cannot be negative"):
        timeout(seconds)


def test_the_commands_of_one_operation_share_its_time() -> None:
    limit = as_one_operation(30.0)
    seen = []
    for _ in range(2):
        with limit:
            seen.append(deadline_of_caller(50.0))
        assert BLOCK.get() is None

    assert seen[0] == seen[1]
    assert seen[0] is not None
    assert seen[0].limit == 30.0


def test_the_callers_own_limit_comes_before_that_of_an_operation() -> None:
    with timeout(10):
        own = deadline_of_caller(None)
        with as_one_operation(30.0):
            assert deadline_of_caller(30.0) == own
    with timeout(10), timeout(None), as_one_operation(30.0):
        found = deadline_of_caller(50.0)
        assert own is not None
        assert found is not None
        assert found.at < own.at + 5


@pytest.mark.parametrize("none", [None, 0.0])
def test_without_a_limit_an_operation_has_as_much_time_as_it_takes(none: float | None) -> None:
    with as_one_operation(none):
        assert deadline_of_caller(none) is None
