from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, NetworkTimeout

from tests.support.fix_faults import FaultProxy
from tests.support.fix_scripted import ScriptedServer
from tests.support.native import NativeThread, listen

Client = MongoClient[dict[str, Any]]


@pytest.fixture
def proxy(
    scripted_server: ScriptedServer, fault_proxy: Callable[[tuple[str, int]], FaultProxy]
) -> FaultProxy:
    return fault_proxy(scripted_server.address)


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[Client]:
    with MongoClient[dict[str, Any]](proxy.uri, retryReads=False) as client:
        yield client


def test_a_stranger_does_not_notice_a_proxy_that_does_nothing(client: Client) -> None:
    client.test.numbers.insert_many([{"_id": n, "pad": "x" * 1000} for n in range(1000)])
    assert len(client.test.numbers.find().to_list()) == 1000


def test_a_stalled_wire_times_out_and_loses_nothing(
    scripted_server: ScriptedServer, proxy: FaultProxy
) -> None:
    # Enough for what must not time out.
    client: Client
    with MongoClient(proxy.uri, retryReads=False, socketTimeoutMS=3000) as client:
        client.admin.command("ping")
        proxy.stall(down=False)
        with pytest.raises(NetworkTimeout):
            client.admin.command("stalled")
        assert scripted_server.count("stalled") == 0
        proxy.restore()
        scripted_server.wait_for(lambda: scripted_server.count("stalled") == 1)
        assert client.admin.command("ping") == {"ok": 1.0}


def test_a_wire_may_stall_on_the_way_back_only(
    scripted_server: ScriptedServer, proxy: FaultProxy, client: Client
) -> None:
    answers: list[dict[str, Any]] = []
    client.admin.command("ping")
    proxy.stall(up=False)
    caller = NativeThread(lambda: answers.append(client.admin.command("ping")))
    scripted_server.wait_for(lambda: scripted_server.count("ping") == 2)
    proxy.wait_for(lambda: proxy.held)
    assert answers == []
    proxy.restore()
    caller.join()
    assert answers == [{"ok": 1.0}]


def test_a_dripping_wire_delivers_everything(proxy: FaultProxy, client: Client) -> None:
    proxy.drip(size=7, pause=0.0001)
    assert client.admin.command("ping") == {"ok": 1.0}


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_wire_is_a_network_error(proxy: FaultProxy, client: Client, reset: bool) -> None:
    client.admin.command("ping")
    proxy.stall()
    failed: list[AutoReconnect] = []

    def call() -> None:
        try:
            client.admin.command("ping")
        except AutoReconnect as error:
            failed.append(error)

    caller = NativeThread(call)
    proxy.wait_for(lambda: proxy.held)
    # Or the client's monitor would come again, and be held.
    proxy.refuse()
    proxy.cut(reset=reset)
    caller.join()
    assert len(failed) == 1
    proxy.wait_for(lambda: proxy.held == 0)
    proxy.restore()
    assert client.admin.command("ping") == {"ok": 1.0}


def test_a_cut_wire_ends_on_both_sides(scripted_server: ScriptedServer, proxy: FaultProxy) -> None:
    with socket.create_connection(proxy.address, timeout=15) as plain:
        # The server sees its half first: the proxy has yet to join the two.
        proxy.wait_for(lambda: proxy.open_links)
        proxy.cut()
        assert plain.recv(1) == b""
        scripted_server.wait_for(lambda: not scripted_server.open_connections)
    assert proxy.open_links == 0


def test_a_client_that_leaves_is_followed_to_the_server(
    scripted_server: ScriptedServer, proxy: FaultProxy
) -> None:
    with socket.create_connection(proxy.address):
        scripted_server.wait_for(lambda: scripted_server.open_connections)
    scripted_server.wait_for(lambda: not scripted_server.open_connections)
    assert proxy.accepted == 1


def test_a_proxy_that_refuses_accepts_when_restored(proxy: FaultProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(proxy.address)
    proxy.restore()
    socket.create_connection(proxy.address).close()


def test_where_the_target_refuses_the_client_is_let_go(
    fault_proxy: Callable[[tuple[str, int]], FaultProxy],
) -> None:
    listener = listen(("127.0.0.1", 0))
    address = listener.getsockname()
    listener.close()
    with socket.create_connection(fault_proxy(address).address, timeout=15) as plain:
        assert plain.recv(1) == b""


def test_a_stalled_proxy_can_be_stopped(scripted_server: ScriptedServer) -> None:
    with (
        FaultProxy(scripted_server.address) as proxy,
        socket.create_connection(proxy.address) as plain,
    ):
        proxy.stall()
        plain.sendall(b"held back")
        proxy.wait_for(lambda: proxy.held == 1)
    assert (proxy.held, proxy.open_links) == (0, 0)
