"""Connections through a SOCKS5 proxy."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import ConfigurationError, InvalidURI, ServerSelectionTimeoutError

from greenmongo import MongoClient
from greenmongo._net import socks
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import ScriptedServer
from tests.support.fix_socks import SocksProxy
from tests.support.peek import wait_for_failed_check

pytest.importorskip("socksio")

HOST = "mongo.example"


@pytest.fixture
def proxy(socks_proxy: SocksProxy, scripted_server: ScriptedServer) -> SocksProxy:
    """A proxy that knows the host `mongo.example`, as nobody else does."""
    socks_proxy.hosts[HOST] = scripted_server.address
    return socks_proxy


def through(proxy: SocksProxy, client_of: Connect, **options: Any) -> Client:
    defaults = {"proxyHost": "localhost", "proxyPort": proxy.port, "directConnection": True}
    return client_of(f"mongodb://{HOST}:27017", **(defaults | options))


def test_operations_and_checks_go_through_it_and_it_looks_the_name_up(
    proxy: SocksProxy, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = through(proxy, client_of)
    client.db.things.insert_one({"_id": 1})
    assert client.db.things.find_one() == {"_id": 1}
    assert proxy.asked == [(HOST, 27017)] * len(scripted_server.connections)
    assert len(proxy.asked) >= 2
    assert client.address == (HOST, 27017)
    assert set(proxy.methods) == {b"\x00"}


def test_it_may_be_named_by_the_uri(
    proxy: SocksProxy, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    proxy.login = (b"us:er", b"pass&word")
    query = f"proxyHost=127.0.0.1&proxyPort={proxy.port}&proxyUsername=us%3Aer"
    client = client_of(f"{scripted_server.uri}&{query}&proxyPassword=pass%26word")
    assert client.admin.command("ping")["ok"] == 1.0
    assert proxy.asked[0] == scripted_server.address
    assert proxy.methods[0] == b"\x00\x02"


@pytest.mark.parametrize(
    ("login", "reply_code", "options", "why"),
    [
        ((b"u", b"p"), 0, {}, "another kind of login"),
        ((b"u", b"p"), 0, {"proxyUsername": "u", "proxyPassword": "x"}, "refused proxyUsername"),
        (None, 2, {}, "connection not allowed by ruleset"),
        (None, 4, {}, "host unreachable"),
        (None, 77, {}, "cannot be understood"),
    ],
)
def test_a_proxy_that_refuses_is_an_error_of_the_network(
    proxy: SocksProxy,
    client_of: Connect,
    login: tuple[bytes, bytes] | None,
    reply_code: int,
    options: dict[str, str],
    why: str,
) -> None:
    proxy.login, proxy.reply_code = login, reply_code
    client = through(proxy, client_of, serverSelectionTimeoutMS=100, **options)
    wait_for_failed_check(client)
    with pytest.raises(ServerSelectionTimeoutError, match=f"{HOST}:27017: .*{why}"):
        client.admin.command("ping")
    proxy.login, proxy.reply_code = None, 0
    assert through(proxy, client_of).admin.command("ping")["ok"] == 1.0


def test_a_proxy_that_says_nothing_is_given_up_in_time(
    proxy: SocksProxy, client_of: Connect
) -> None:
    proxy.is_silent = True
    client = through(proxy, client_of, connectTimeoutMS=100, serverSelectionTimeoutMS=300)
    wait_for_failed_check(client)
    with pytest.raises(ServerSelectionTimeoutError, match=r"timed out while connecting"):
        client.admin.command("ping")


def test_a_proxy_that_is_not_there_is_an_error_of_the_network(
    socks_proxy: SocksProxy, client_of: Connect
) -> None:
    socks_proxy.stop()
    client = through(socks_proxy, client_of, serverSelectionTimeoutMS=100)
    wait_for_failed_check(client)
    with pytest.raises(ServerSelectionTimeoutError, match="Connection refused"):
        client.admin.command("ping")


def test_without_the_library_the_client_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(socks, "import_module", fail)
    with pytest.raises(ConfigurationError, match=r"greenmongo\[socks\]"):
        MongoClient(proxyHost="localhost", connect=False)


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"proxyPort": 1080}, ConfigurationError, "proxyPort needs a proxyHost"),
        ({"proxyUsername": "u"}, ConfigurationError, "proxyUsername needs a proxyHost"),
        ({"proxyHost": "h", "proxyUsername": "u"}, ConfigurationError, "together"),
        ({"proxyHost": "h", "proxyPort": 0}, ConfigurationError, "not 0"),
        ({"proxyHost": "h", "proxyPort": "x"}, ConfigurationError, "'x'"),
        ({"proxyHost": "h", "proxyPort": 1.5}, TypeError, r"1\.5"),
        ({"proxyHost": 5}, TypeError, "proxyHost"),
        (
            {"proxyHost": "h", "proxyUsername": "u" * 256, "proxyPassword": "p"},
            ConfigurationError,
            "proxyUsername must not be longer",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        MongoClient(connect=False, **options)


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(InvalidURI, match="proxyHost must not be given more than once"):
        MongoClient("mongodb://h/?proxyHost=a&proxyHost=b", connect=False)


def test_an_empty_login_is_none(proxy: SocksProxy, client_of: Connect) -> None:
    client = through(proxy, client_of, proxyUsername="", proxyPassword="")
    assert client.options.proxy is not None
    assert (client.options.proxy.username, client.options.proxy.password) == (None, None)
    assert "secret" not in repr(
        MongoClient(proxyHost="h", proxyUsername="u", proxyPassword="secret", connect=False)
    )
