"""How host names become addresses."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import gevent
import gevent.socket
import pytest
from pymongo.errors import ServerSelectionTimeoutError

import bridge
from greenmongo._hub.thread import HubThread
from greenmongo._net.resolver import _is_replaced
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

NAME = "database.invalid"


class Tunnel:
    """Leads one name to this machine, and notes on which threads it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: set[int] = set()
        self._ask = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._lead)

    def _lead(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        self.threads.add(threading.get_ident())
        return self._ask("127.0.0.1" if host == NAME else host, *args, **kwargs)


def uri_of(server: ScriptedServer) -> str:
    return server.uri.replace("127.0.0.1", NAME)


@pytest.mark.parametrize("caller", ["thread", "greenlet"])
def test_a_getaddrinfo_of_the_programs_own_is_used_off_the_hub(
    scripted_server: ScriptedServer,
    client_of: Connect,
    hub_thread: HubThread,
    monkeypatch: pytest.MonkeyPatch,
    caller: str,
) -> None:
    """F11: for threads and greenlets."""
    tunnel = Tunnel(monkeypatch)
    client = client_of(uri_of(scripted_server))
    if caller == "thread":
        assert client.admin.command("ping")["ok"] == 1
    else:
        assert gevent.spawn(client.admin.command, "ping").get(timeout=10)["ok"] == 1
    assert tunnel.threads
    assert hub_thread.ident not in tunnel.threads


def test_a_task_uses_it_too(
    scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F11: through the other door."""
    tunnel = Tunnel(monkeypatch)

    async def main() -> None:
        async with bridge.AsyncMongoClient[Any](uri_of(scripted_server)) as client:
            assert (await client.admin.command("ping"))["ok"] == 1

    asyncio.run(main())
    assert tunnel.threads
    assert threading.get_ident() not in tunnel.threads


def test_what_it_raises_is_said(client_of: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """F11: as if no server had that name."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no names today")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    client = client_of(f"mongodb://{NAME}", serverSelectionTimeoutMS=300)
    with pytest.raises(ServerSelectionTimeoutError, match="no names today"):
        client.admin.command("ping")


def test_pythons_own_and_gevents_are_not_taken_for_replaced() -> None:
    """F11: they go the usual way."""
    assert not _is_replaced(socket.getaddrinfo)
    assert not _is_replaced(gevent.socket.getaddrinfo)
