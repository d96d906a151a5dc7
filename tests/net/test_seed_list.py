"""`mongodb+srv://`: hosts and options out of the DNS, asked without blocking the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import dns.rcode
import gevent
import pytest
from bson.objectid import ObjectId
from pymongo.errors import (
    ConfigurationError,
    InvalidOperation,
    InvalidURI,
    ServerSelectionTimeoutError,
)

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo._hub.thread import HubThread
from greenmongo._net import seed_list
from tests.support.fix_dns import DnsServer
from tests.support.fix_hub import Client, Connect, run_script
from tests.support.fix_scripted import MONGOS, ScriptedServer

NAME = "cluster.0.0.1"
QUERY = f"_mongodb._tcp.{NAME}"
URI = f"mongodb+srv://{NAME}/?tls=false"


@pytest.fixture
def mongos() -> Iterator[Callable[[], ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def start() -> ScriptedServer:
        servers.append(ScriptedServer(MONGOS))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def hosts_of(client: Client) -> set[str]:
    return {f"{host}:{port}" for host, port in client.topology_description.servers}


def ping(client: Client) -> None:
    assert client.admin.command("ping")["ok"] == 1.0


def test_the_hosts_come_from_the_dns(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    dns_server.set_srv(QUERY, scripted_server.host)
    client = client_of(URI)
    ping(client)
    assert client.address == scripted_server.address
    assert dns_server.queries == [(QUERY, "SRV"), (NAME, "TXT")]
    assert client.options.seeds == (scripted_server.address,)


def test_a_long_answer_is_fetched_over_tcp(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    dns_server.set_srv(QUERY, scripted_server.host)
    dns_server.always_truncates = True
    ping(client_of(URI))
    assert dns_server.queries.count((QUERY, "SRV")) == 2


def test_the_txt_record_adds_options(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.hello.update(setName="rs7", hosts=[scripted_server.host])
    dns_server.set_srv(QUERY, scripted_server.host)
    dns_server.set(NAME, "TXT", '"replicaSet=r" "s7"')
    client = client_of(URI)
    ping(client)
    assert client.options.replica_set == "rs7"
    assert client.topology_description.replica_set_name == "rs7"


def test_a_load_balancer_can_be_named_by_the_txt_record(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.hello.update(MONGOS, serviceId=ObjectId())
    dns_server.set_srv(QUERY, scripted_server.host)
    dns_server.set(NAME, "TXT", '"loadBalanced=true"')
    client = client_of(URI)
    ping(client)
    assert client.topology_description.topology_type_name == "LoadBalanced"
    (hello,) = scripted_server.commands("hello")
    assert hello.document["loadBalanced"] is True


def test_opening_does_not_wait_for_the_dns(dns_server: DnsServer, client_of: Connect) -> None:
    dns_server.is_silent = True
    started = monotonic()
    client = client_of(URI)
    assert monotonic() - started < 5.0
    assert not hosts_of(client)
    assert client.nodes == frozenset()
    with client.start_request():
        assert client.in_request()


def test_who_waits_too_long_is_told_why(dns_server: DnsServer, client_of: Connect) -> None:
    dns_server.is_silent = True
    client = client_of(URI, serverSelectionTimeoutMS=100)
    with pytest.raises(ServerSelectionTimeoutError, match=f"{NAME}' are still being looked up"):
        ping(client)


def test_a_silent_dns_server_is_a_clear_error(dns_server: DnsServer, client_of: Connect) -> None:
    dns_server.is_silent = True
    client = client_of(URI, connectTimeoutMS=100)
    with pytest.raises(ConfigurationError, match=f"cannot look up the SRV records of '{QUERY}'"):
        ping(client)


def test_a_silent_dns_server_holds_nobody_else_up(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    dns_server.is_silent = True
    client_of(URI)
    started = monotonic()
    ping(client_of(scripted_server.uri))
    assert monotonic() - started < 5.0


def test_closing_ends_a_look_up_and_who_waits_for_it(
    dns_server: DnsServer, client_of: Connect
) -> None:
    dns_server.is_silent = True
    client = client_of(URI)
    waiting = gevent.spawn(ping, client)
    gevent.sleep(0)  # it is on its way now
    dns_server.wait_for_queries(1)
    started = monotonic()
    client.close()
    with pytest.raises(InvalidOperation):
        waiting.get()
    assert monotonic() - started < 5.0


def test_a_failed_look_up_is_tried_again_by_the_next_operation(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(URI)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="does not exist"):
            ping(client)
    dns_server.set_srv(QUERY, scripted_server.host)
    ping(client)


def test_all_who_wait_share_one_look_up(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    dns_server.set_srv(QUERY, scripted_server.host)
    client = client_of(URI, connect=False)
    gevent.joinall([gevent.spawn(ping, client) for _ in range(10)], raise_error=True)
    assert len(dns_server.queries) == 2


@pytest.mark.parametrize(
    ("records", "error", "message"),
    [
        ({"SRV": ["0 0 1 127.0.0.2."], "TXT": ['"a=b"']}, ConfigurationError, "may be set"),
        ({"SRV": ["0 0 1 evil.example.com."]}, ConfigurationError, "evil.example.com is not in"),
        ({"TXT": ['"authSource=x"']}, ConfigurationError, "SRV records"),
        ({"SRV": ["0 0 1 127.0.0.2."], "TXT": ['"x"', '"y"']}, ConfigurationError, "Only one"),
        ({"SRV": ["0 0 1 127.0.0.2."], "TXT": ['"authSource"']}, InvalidURI, "key=value"),
    ],
)
def test_records_that_make_no_sense_are_refused(
    dns_server: DnsServer,
    client_of: Connect,
    records: dict[str, list[str]],
    error: type[Exception],
    message: str,
) -> None:
    for kind, texts in records.items():
        dns_server.set(QUERY if kind == "SRV" else NAME, kind, *texts)
    with pytest.raises(error, match=message):
        ping(client_of(URI))


def test_a_server_failure_of_the_txt_look_up_counts(
    dns_server: DnsServer, client_of: Connect
) -> None:
    dns_server.set_srv(QUERY, "127.0.0.1:1")
    dns_server.fail(NAME, dns.rcode.SERVFAIL)
    with pytest.raises(ConfigurationError, match="TXT records"):
        ping(client_of(URI))


def test_a_limit_and_a_service_name_of_ones_own(
    dns_server: DnsServer, mongos: Callable[[], ScriptedServer], client_of: Connect
) -> None:
    servers = {mongos().host for _ in range(3)}
    dns_server.set_srv(f"_other._tcp.{NAME}", *servers)
    client = client_of(URI, srvServiceName="other", srvMaxHosts=2)
    ping(client)
    assert len(hosts_of(client)) == 2
    assert hosts_of(client) < servers


def test_the_users_own_check_decides(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    seen: list[str] = []
    name = "cluster.example.com"
    dns_server.set_srv(f"_mongodb._tcp.{name}", scripted_server.host)

    def accept(host: str) -> bool:
        seen.append(host)
        return True

    ping(client_of(f"mongodb+srv://{name}/?tls=false", srv_host_validator=accept))
    assert seen == ["127.0.0.1"]
    ping(client_of(f"mongodb+srv://{name}/?tls=false", srvAllowedHostsSuffix="0.0.1"))
    with pytest.raises(ConfigurationError, match="not in the domain"):
        ping(client_of(f"mongodb+srv://{name}/?tls=false"))


@pytest.fixture
def eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look the records up again every few milliseconds."""
    monkeypatch.setattr(seed_list, "rescan_delay", lambda ttl: 0.01)


def wait_for_hosts(thread: HubThread, client: Client, expected: set[str]) -> None:
    def wait() -> None:
        with gevent.Timeout(5):
            while hosts_of(client) != expected:
                gevent.sleep(0.005)

    thread.call(wait)


@pytest.mark.usefixtures("eagerly")
def test_a_mongos_that_joins_or_leaves_is_noticed(
    dns_server: DnsServer,
    mongos: Callable[[], ScriptedServer],
    client_of: Connect,
    hub_thread: HubThread,
) -> None:
    first, second = mongos(), mongos()
    dns_server.set_srv(QUERY, first.host)
    client = client_of(URI)
    ping(client)
    dns_server.set_srv(QUERY, first.host, second.host)
    wait_for_hosts(hub_thread, client, {first.host, second.host})
    second.wait_for(lambda: second.count("hello"))
    dns_server.set_srv(QUERY, second.host)
    wait_for_hosts(hub_thread, client, {second.host})
    first.wait_for(lambda: not first.open_connections)
    ping(client)


@pytest.mark.usefixtures("eagerly")
def test_what_is_known_stays_while_the_dns_fails(
    dns_server: DnsServer,
    mongos: Callable[[], ScriptedServer],
    client_of: Connect,
    hub_thread: HubThread,
) -> None:
    first, second = mongos(), mongos()
    dns_server.set_srv(QUERY, first.host)
    client = client_of(URI, heartbeatFrequencyMS=500)
    ping(client)
    asked = len(dns_server.queries)
    dns_server.set(QUERY, "SRV", "0 0 1 evil.example.com.")
    dns_server.wait_for_queries(asked + 2)
    assert hosts_of(client) == {first.host}
    dns_server.set_srv(QUERY, "evil.example.com:1", first.host, second.host)
    wait_for_hosts(hub_thread, client, {first.host, second.host})


@pytest.mark.usefixtures("eagerly")
def test_a_replica_set_is_not_looked_up_again(
    dns_server: DnsServer, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.hello.update(setName="rs7", hosts=[scripted_server.host])
    dns_server.set_srv(QUERY, scripted_server.host)
    dns_server.set(NAME, "TXT", '"replicaSet=rs7"')
    client = client_of(URI)
    ping(client)
    assert len(dns_server.queries) == 2
    ping(client)
    assert len(dns_server.queries) == 2


@pytest.mark.asyncio
async def test_an_event_loop_goes_on_during_a_look_up(
    dns_server: DnsServer, scripted_server: ScriptedServer
) -> None:
    dns_server.set_srv(QUERY, scripted_server.host)
    dns_server.is_silent = True
    async with AsyncMongoClient[dict[str, Any]](URI, connectTimeoutMS=2500) as client:
        operation = asyncio.ensure_future(client.admin.command("ping"))
        turns = 0
        while not operation.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert turns > 3
        with pytest.raises(ConfigurationError, match="SRV records"):
            operation.result()
        dns_server.is_silent = False
        assert (await client.admin.command("ping"))["ok"] == 1.0


PATCHED = """
import sys
from gevent import monkey
monkey.patch_all()
import dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], int(sys.argv[1])
dns.resolver.default_resolver = resolver
from greenmongo import MongoClient
with MongoClient(sys.argv[2]) as client:
    print(client.admin.command("ping")["ok"])
"""


@pytest.mark.gevent_patched
def test_a_patched_process_looks_up_as_well(
    dns_server: DnsServer, scripted_server: ScriptedServer
) -> None:
    dns_server.set_srv(QUERY, scripted_server.host)
    done = run_script(PATCHED, str(dns_server.address[1]), URI)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0\n", "")


def test_a_client_that_nobody_has_used_names_its_uri(dns_server: DnsServer) -> None:
    client = MongoClient[dict[str, Any]](URI, connect=False)
    assert f"mongodb+srv://{NAME}" in repr(client)
    assert not dns_server.queries
