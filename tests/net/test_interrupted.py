"""Callers that are thrown out of the very call that opens, closes, starts or ends something."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import gevent
import pytest
from gevent import Greenlet

from greenmongo import MongoClient
from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import in_hub, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_loops import standing_still
from tests.support.fix_scripted import ScriptedServer


class Interruption(BaseException):
    """What throws a caller out of its wait."""


when = pytest.mark.parametrize("has_run", [False, True])
"""Whether the hub thread has done its part already when the caller is thrown out."""


def interrupted(thread: HubThread, has_run: bool, fn: Callable[[], object]) -> None:
    """Call `fn` in this greenlet, and have it thrown out of its wait for the hub thread."""
    caller = gevent.getcurrent()
    assert isinstance(caller, Greenlet)

    def interrupt() -> None:
        if has_run:
            # Blocks this thread, so that its hub hears of no result.
            for _ in range(2):
                start(thread.call, int).result(5)
        caller.kill(Interruption(), block=False)

    with nullcontext() if has_run else standing_still(thread):
        gevent.spawn(interrupt)
        with pytest.raises(Interruption):
            fn()


@pytest.fixture
def client(client_of: Connect, scripted_server: ScriptedServer) -> Client:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    return client


@when
def test_a_start_that_is_interrupted_starts_nothing(
    client: Client, hub_thread: HubThread, has_run: bool
) -> None:
    def request() -> bool:
        interrupted(hub_thread, has_run, client.start_request)
        client.admin.command("ping")
        return client.in_request()

    assert in_hub(request) is False


@when
def test_an_end_that_is_interrupted_ends_one_level(
    client: Client, hub_thread: HubThread, has_run: bool
) -> None:
    def request() -> list[bool]:
        seen = []
        for _ in range(2):
            client.start_request()
        for _ in range(2):
            interrupted(hub_thread, has_run, client.end_request)
            client.admin.command("ping")
            seen.append(client.in_request())
        return seen

    assert in_hub(request) == [True, False]


@when
def test_leaving_a_block_ends_its_request_although_it_is_interrupted(
    client: Client, hub_thread: HubThread, has_run: bool
) -> None:
    def request() -> bool:
        it = client.start_request()
        interrupted(hub_thread, has_run, it.end)
        client.admin.command("ping")
        return client.in_request()

    assert in_hub(request) is False


@when
def test_an_opening_that_is_interrupted_keeps_count_of_the_leases(
    scripted_server: ScriptedServer, hub_thread: HubThread, has_run: bool
) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(scripted_server.uri, connect=False)
    before = len(hub_thread._leases)

    def opening() -> int:
        interrupted(hub_thread, has_run, lambda: client._executor.open())
        hub_thread.call(int)
        return len(hub_thread._leases)

    assert in_hub(opening) == before + has_run
    client.close()
    assert len(hub_thread._leases) == before


@when
def test_a_close_that_is_interrupted_closes(
    client: Client, scripted_server: ScriptedServer, hub_thread: HubThread, has_run: bool
) -> None:
    engine = client._executor.open()

    def closing() -> None:
        interrupted(hub_thread, has_run, client.close)
        hub_thread.call(int)

    in_hub(closing)
    assert engine._is_closed
    assert not client._executor.is_open


def test_clients_may_be_closed_by_many_at_once(scripted_server: ScriptedServer) -> None:
    """The last lease goes with the first of them, and the hub thread may be gone for the others."""
    for _ in range(20):
        client: MongoClient[dict[str, Any]] = MongoClient(scripted_server.uri)
        for closing in [start(client.close) for _ in range(10)]:
            closing.result(5)
