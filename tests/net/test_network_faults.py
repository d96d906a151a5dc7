"""Wires that are cut, slow or half open: everything ends within the time the options promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_preferences import Nearest

from greenmongo import timeout
from tests.support.fix_doors import start
from tests.support.fix_faults import FaultProxy
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import FakeReplicaSet, ScriptedServer
from tests.support.native import Address
from tests.support.peek import place, wait_for_failed_check

SLACK = 5.0
"""Seconds a busy machine may add; the defaults (20 s, 30 s, none) are far beyond it."""

Behind = Callable[[Address], FaultProxy]


@contextmanager
def within(least: float, most: float) -> Iterator[None]:
    """See that the block takes no less and not much more than so many seconds."""
    began = monotonic()
    yield
    assert least * 0.95 <= monotonic() - began < most + SLACK


@pytest.fixture
def proxy(scripted_server: ScriptedServer, fault_proxy: Behind) -> FaultProxy:
    return fault_proxy(scripted_server.address)


def test_who_accepts_and_says_nothing_is_given_up(proxy: FaultProxy, client_of: Connect) -> None:
    proxy.stall()
    client = client_of(proxy.uri, connectTimeoutMS=200, serverSelectionTimeoutMS=500)
    with within(0, 0.2):
        wait_for_failed_check(client)
    with within(0.5, 0.5), pytest.raises(ServerSelectionTimeoutError, match="timed out"):
        client.admin.command("ping")


def test_who_is_not_there_is_looked_for_as_long_as_the_option_says(
    proxy: FaultProxy, client_of: Connect
) -> None:
    proxy.refuse()
    client = client_of(proxy.uri, serverSelectionTimeoutMS=300)
    with within(0.3, 0.3), pytest.raises(ServerSelectionTimeoutError):
        client.admin.command("ping")
    proxy.restore()
    with within(0, 0.5):
        assert client_of(proxy.uri, heartbeatFrequencyMS=500).admin.command("ping")["ok"]


@pytest.mark.parametrize("up", [True, False], ids=["the request", "the reply"])
def test_what_gets_stuck_ends_with_socketTimeoutMS(
    proxy: FaultProxy, client_of: Connect, up: bool
) -> None:
    client = client_of(proxy.uri, socketTimeoutMS=2500)
    client.admin.command("ping")
    proxy.stall(up=up, down=not up)
    with within(2.5, 2.5), pytest.raises(NetworkTimeout):
        client.admin.command("ping")
    proxy.restore()
    assert client.admin.command("ping")["ok"]


def test_every_call_ends_with_timeoutMS(proxy: FaultProxy, client_of: Connect) -> None:
    client = client_of(proxy.uri, timeoutMS=200, retryReads=True, retryWrites=True)
    with timeout(0):
        client.admin.command("ping")
    proxy.stall()
    operations: list[Callable[[], object]] = [
        client.test.c.find_one,
        lambda: client.test.c.insert_one({}),
        lambda: client.test.c.count_documents({}),
        lambda: list(client.test.c.find()),
    ]
    for operation in operations:
        with within(0.1, 0.2), pytest.raises(PyMongoError) as caught:
            operation()
        assert caught.value.timeout
    proxy.restore()
    wait_until(lambda: start(client.admin.command, "ping").exception(5) is None)


def test_a_monitor_notices_that_nobody_answers_any_more(
    proxy: FaultProxy, client_of: Connect
) -> None:
    client = client_of(proxy.uri, connectTimeoutMS=2500, heartbeatFrequencyMS=500)
    client.admin.command("ping")
    proxy.stall()
    # Without a limit of its own: it is the check that ends it.
    with within(0, 0.5 + 2.5), pytest.raises(AutoReconnect):
        client.test.c.find_one()
    proxy.restore()
    with within(0, 0.5):
        assert client.admin.command("ping")["ok"]


def test_a_cut_wire_is_told_at_once_and_replaced(proxy: FaultProxy, client_of: Connect) -> None:
    client = client_of(proxy.uri)
    client.admin.command("ping")
    proxy.stall()
    call = start(client.test.c.find_one)
    proxy.wait_for(lambda: proxy.held)
    with within(0, 0):
        proxy.cut(reset=True)
        assert isinstance(call.exception(5), AutoReconnect)
    proxy.restore()
    with within(0, 0.5):
        assert client.admin.command("ping")["ok"]


def test_a_slow_wire_holds_up_nobody_else(
    scripted_server: ScriptedServer, proxy: FaultProxy, client_of: Connect
) -> None:
    slow, quick = client_of(proxy.uri), client_of(scripted_server.uri)
    slow.admin.command("ping")
    quick.test.c.insert_many([{"_id": n} for n in range(20)])
    proxy.drip(1, 0.1)  # for much longer than the others take
    call = start(lambda: list(slow.test.c.find()))
    for _ in range(20):
        quick.admin.command("ping")
    assert not call.done()
    proxy.restore()
    assert len(call.result(5)) == 20


@contextmanager
def set_behind_proxies(behind: Behind) -> Iterator[list[FaultProxy]]:
    """A set whose members tell the addresses of their proxies."""
    with FakeReplicaSet(3) as members:
        proxies = [behind(member.address) for member in members.members]
        hosts = [proxy.host for proxy in proxies]
        for number, (member, host) in enumerate(zip(members.members, hosts, strict=True)):
            tags = {"number": str(number)}
            member.hello.update(me=host, hosts=hosts, primary=hosts[0], tags=tags)
        yield proxies


@pytest.mark.parametrize("frozen", [0, 1], ids=["primary", "secondary"])
def test_a_member_that_says_nothing_holds_up_nobody_else(
    fault_proxy: Behind, client_of: Connect, frozen: int
) -> None:
    members = [Nearest([{"number": str(number)}]) for number in range(3)]
    with set_behind_proxies(fault_proxy) as proxies:
        client = client_of(f"mongodb://{proxies[0].host}/?replicaSet=rs0", localThresholdMS=100_000)
        for member in members:
            place(client, member)
        proxies[frozen].stall()
        stuck = [start(place, client, members[frozen]) for _ in range(3)]
        proxies[frozen].wait_for(lambda: proxies[frozen].held)
        with within(0, 5):  # that many operations may take so long
            for member in members:
                if member is not members[frozen]:
                    for _ in range(20):
                        place(client, member)
        assert not any(call.done() for call in stuck)
        proxies[frozen].restore()
        assert {call.result(5)[0] for call in stuck} == {proxies[frozen].host}
