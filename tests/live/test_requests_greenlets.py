"""The acceptance cases of requests that are about greenlets (G), with threads beside them.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from threading import Thread
from typing import Any

import gevent
import pytest
from gevent import GreenletExit
from greenlet import greenlet

from tests.support.fix_doors import Door, GreenletDoor, in_hub, start
from tests.support.fix_hub import Client, Connect, run_script
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, ScriptedServer
from tests.support.peek import pool_of, rows, settle, sid

live = pytest.mark.live
EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}


@pytest.fixture
def client(mongo_uri: str, client_of: Connect) -> Client:
    return client_of(mongo_uri)


@pytest.fixture
def fake(scripted_server: ScriptedServer, client_of: Connect) -> Client:
    """A client of the scripted server, not patient with connections."""
    return client_of(scripted_server.uri)


@live
def test_G01_raw_greenlets_have_connections_of_their_own(
    mongo_uri: str, client_of: Connect
) -> None:
    client = client_of(mongo_uri, use_greenlets=True)

    def request() -> int:
        client.start_request()
        return sid(client)

    def two() -> set[int]:
        greenlets = [greenlet(request) for _ in range(2)]
        return {each.switch() for each in greenlets}

    assert len(start(two).result(10)) == 2


@live
@pytest.mark.parametrize("with_request", [False, True])
def test_G02_contexts_share_a_connection_only_outside_of_requests(
    client: Client, door: Door, with_request: bool
) -> None:
    turns = [door.flag() for _ in range(5)]

    def work(mine: list[int]) -> tuple[int, int]:
        """Do one operation, let the other one do one, and do another."""
        numbers = []
        with client.start_request() if with_request else nullcontext():
            for turn in mine:
                turns[turn].wait()
                numbers.append(sid(client))
                turns[turn + 1].set()
            # Nobody gives anything back before both are done.
            turns[4].wait()
        return numbers[0], numbers[1]

    calls = [door.spawn(work, mine) for mine in ([0, 2], [1, 3])]
    turns[0].set()
    (one, again), (other, once_more) = (call() for call in calls)
    assert (one, other) == (again, once_more)
    assert (one != other) is with_request
    assert pool_of(client).idle_count == (2 if with_request else 1)


@live
@pytest.mark.parametrize("use_greenlets", [False, True])
def test_G02_raw_greenlets_of_a_thread_without_a_hub_are_the_thread(
    mongo_uri: str, client_of: Connect, use_greenlets: bool
) -> None:
    client = client_of(mongo_uri, use_greenlets=use_greenlets)

    def request() -> int:
        client.start_request()
        return sid(client)

    def two() -> tuple[int, int]:
        kinds: Any = greenlet
        raw = [kinds(request) for _ in range(2)]
        one, other = (each.switch() for each in raw)
        return one, other

    one, other = start(two).result(10)
    assert (one != other) is use_greenlets


@pytest.mark.parametrize("with_request", [False, True])
def test_G03_a_slow_read_does_not_hold_up_a_fast_one(
    scripted_server: ScriptedServer, fake: Client, door: Door, with_request: bool
) -> None:
    order: list[str] = []
    gate = Gate()
    scripted_server.on("find", Answer(EMPTY, gate))

    def work(name: str, command: Callable[[], object]) -> int:
        with fake.start_request() if with_request else nullcontext():
            order.append(f"{name} starts")
            command()
            order.append(f"{name} is done")
            return sid(fake)

    slow = door.spawn(work, "slow", fake.test.c.find_one)
    wait_until(lambda: gate.waiting)
    numbers = {door.call(work, "fast", partial(fake.admin.command, "ping"))}
    gate.open()
    numbers.add(slow())
    assert order == ["slow starts", "fast starts", "fast is done", "slow is done"]
    assert len(numbers) == 2 or not with_request


@live
@pytest.mark.parametrize("fails", [False, True])
def test_G04_G05_a_leaked_request_ends_with_its_context(
    client: Client, door: Door, fails: bool
) -> None:
    def leak() -> int:
        client.start_request()
        numbers.append(sid(client))
        if fails:
            raise ZeroDivisionError
        return 0

    numbers: list[int] = []
    with suppress(ZeroDivisionError):
        door.call(leak)
    gc.collect()
    wait_until(lambda: rows(client) == 0)
    assert sid(client) == numbers[0]


@live
@pytest.mark.parametrize("kind", ["greenlet", "thread"])
def test_G07_a_context_that_never_began_leaves_nothing(
    client: Client, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def request() -> None:
        client.start_request()
        sid(client)

    sid(client)
    gc.collect()
    capfd.readouterr()  # what others left behind may have been told of by now
    if kind == "greenlet":
        unborn = gevent.spawn(request)
        unborn.kill()
        assert isinstance(unborn.value, GreenletExit)
    else:
        Thread(target=request)
    gc.collect()
    settle(client)
    assert (rows(client), pool_of(client).idle_count) == (0, 1)
    assert capfd.readouterr().err == ""


@live
def test_G08_G17_a_child_is_in_no_request_of_its_parent(client: Client, door: Door) -> None:
    with client.start_request():
        mine = sid(client)
        theirs, in_request = door.call(lambda: (sid(client), client.in_request()))
        assert (in_request, theirs == mine) == (False, False)
        assert sid(client) == mine


@live
@pytest.mark.timeout(60)
@pytest.mark.parametrize("count", [50])
def test_G09_G10_leaking_contexts_one_after_another_share_one_connection(
    client: Client, door: Door, count: int
) -> None:
    def leak() -> bool:
        was_in_request = client.in_request()
        client.start_request()
        client.admin.command("ping")
        return was_in_request

    for _ in range(count):
        assert not door.call(leak)
        gc.collect()
        wait_until(lambda: rows(client) == 0)
    assert pool_of(client).created_count == 1
    assert pool_of(client).idle_count == 1


@live
def test_G17_threads_and_greenlets_share_a_client(client: Client) -> None:
    def work() -> tuple[int, int]:
        with client.start_request():
            return sid(client), sid(client)

    def mixed() -> list[tuple[int, int]]:
        with client.start_request():
            mine = sid(client)
            greenlets = [gevent.spawn(work) for _ in range(3)]
            threads = [start(work) for _ in range(3)]
            pairs = [each.get() for each in greenlets]
            pairs += [each.result(10) for each in threads]
            return [*pairs, (mine, sid(client))]

    pairs = in_hub(mixed)
    assert all(one == other for one, other in pairs)
    assert pairs[-1][0] not in {one for one, _ in pairs[:-1]}


MISSING = """
import sys
sys.modules["gevent"] = None
try:
    import PACKAGE
except Exception as error:
    from pymongo.errors import ConfigurationError
    assert isinstance(error, ConfigurationError), error
    assert isinstance(error, ImportError), error
    print(error)
"""


@pytest.mark.parametrize("package", ["greenmongo", "bridge"])
def test_G18_without_gevent_the_import_says_so(package: str) -> None:
    result = run_script(MISSING.replace("PACKAGE", package))
    assert "gevent" in result.stdout
    assert (result.stderr, result.returncode) == ("", 0)


def test_G19_use_greenlets_can_be_asked_for(client_of: Connect) -> None:
    with ScriptedServer() as server:
        assert client_of(server.uri, use_greenlets=True).use_greenlets
        assert not client_of(server.uri).use_greenlets


@live
def test_G20_a_hub_can_finish_while_a_client_is_open(client: Client) -> None:
    def work_then_join() -> bool:
        try:
            assert gevent.spawn(sid, client).get()
            return bool(gevent.get_hub().join(timeout=5))
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    assert start(work_then_join).result(10) is True


def test_greenlets_go_on_while_one_waits_for_the_server(
    scripted_server: ScriptedServer, fake: Client
) -> None:
    door, gate, ticks = GreenletDoor(), Gate(), [0]
    scripted_server.on("find", Answer(EMPTY, gate))

    def tick() -> None:
        while not gate.waiting:
            gevent.sleep(0.001)
        for _ in range(100):
            ticks[0] += 1
            gevent.sleep(0)
        gate.open()

    door.gather(fake.test.c.find_one, tick)
    assert ticks == [100]
