"""Encrypted connections to a real server: who is trusted, and who the client is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import ConfigurationError, OperationFailure, ServerSelectionTimeoutError

from greenmongo import MongoClient
from greenmongo.embedded import MongoServer, TLSFiles
from tests.support.fix_dns import DnsServer
from tests.support.fix_hub import run_script
from tests.support.fix_socks import SocksProxy
from tests.support.peek import wait_for_failed_check

pytestmark = pytest.mark.live

CERTS = Path(__file__).resolve().parents[1] / "support" / "certs"
CA = str(CERTS / "ca.pem")
OTHER_CA = str(CERTS / "other_ca.pem")
CLIENT = str(CERTS / "client.pem")
SUBJECT = "CN=client,O=greenmongo-tests"
ROOT = ("root", "pä$$word")

Doc = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[MongoServer]:
    """A server that speaks TLS only, wants a login, and knows the client's certificate."""
    files = TLSFiles(CERTS / "server.pem", CA)
    # Our certificates share an organisation, by which servers of one cluster know each other.
    parameters = {"enforceUserClusterSeparation": False}
    with MongoServer(replica_set=None, auth=ROOT, tls=files, parameters=parameters) as server:
        with MongoClient[Doc](server.uri) as client:
            roles = [{"role": "readWrite", "db": "test_tls"}]
            client["$external"].command("createUser", SUBJECT, roles=roles)
        yield server


@pytest.fixture(scope="module")
def strict_server() -> Iterator[MongoServer]:
    """A server to which every client must show its certificate."""
    files = TLSFiles(CERTS / "server.pem", CA, CLIENT)
    with MongoServer(replica_set=None, tls=files) as server:
        yield server


def connect(server: MongoServer, host: str = "127.0.0.1", **options: Any) -> MongoClient[Doc]:
    defaults: Doc = {"serverSelectionTimeoutMS": 10_000, "directConnection": True}
    return MongoClient(host, server.ports[0], **(defaults | options))


def ping(client: MongoClient[Doc]) -> None:
    with client:
        assert client.admin.command("ping")["ok"] == 1.0


def refusal(client: MongoClient[Doc]) -> str:
    with client:
        wait_for_failed_check(client)
        with pytest.raises(ServerSelectionTimeoutError) as caught:
            client.admin.command("ping")
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_trusted_server_is_used(server: MongoServer, host: str) -> None:
    ping(connect(server, host, tlsCAFile=CA))


def test_a_server_of_another_authority_is_refused(server: MongoServer) -> None:
    client = connect(server, tlsCAFile=OTHER_CA, serverSelectionTimeoutMS=500)
    assert "certificate verify failed" in refusal(client)


@pytest.mark.parametrize("ca", [CA, OTHER_CA], ids=["trusted", "not trusted"])
def test_a_proxy_does_not_come_between(
    server: MongoServer, socks_proxy: SocksProxy, ca: str
) -> None:
    pytest.importorskip("socksio")
    # A name that the certificate has, and only the proxy knows.
    socks_proxy.hosts["localhost"] = ("127.0.0.1", server.ports[0])
    proxy = {"proxyHost": "127.0.0.1", "proxyPort": socks_proxy.port}
    if ca == CA:
        ping(connect(server, "localhost", tlsCAFile=ca, **proxy))
    else:
        client = connect(server, "localhost", tlsCAFile=ca, serverSelectionTimeoutMS=500, **proxy)
        assert "certificate verify failed" in refusal(client)
    assert ("localhost", server.ports[0]) in socks_proxy.asked


def test_by_default_the_systems_authorities_decide(server: MongoServer) -> None:
    client = connect(server, tls=True, serverSelectionTimeoutMS=500)
    assert "certificate verify failed" in refusal(client)


def test_a_certificate_for_another_name_is_refused(server: MongoServer) -> None:
    # Another way to write the address, and no name in the certificate.
    client = connect(server, "127.1", tlsCAFile=CA, serverSelectionTimeoutMS=500)
    assert "127.1" in refusal(client)
    ping(connect(server, "127.1", tlsCAFile=CA, tlsAllowInvalidHostnames=True))


@pytest.mark.parametrize("option", ["tlsAllowInvalidCertificates", "tlsInsecure"])
def test_checks_can_be_switched_off(server: MongoServer, option: str) -> None:
    options: dict[str, Any] = {option: True}
    ping(connect(server, tls=True, **options))


@pytest.mark.parametrize(("crl", "is_revoked"), [("crl.pem", False), ("crl_revoked.pem", True)])
def test_a_revoked_certificate_is_refused(server: MongoServer, crl: str, is_revoked: bool) -> None:
    options = {"tlsCAFile": CA, "tlsCRLFile": str(CERTS / crl)}
    if is_revoked:
        assert "revoked" in refusal(connect(server, serverSelectionTimeoutMS=500, **options))
    else:
        ping(connect(server, **options))


def test_without_encryption_there_is_no_connection(server: MongoServer) -> None:
    assert refusal(connect(server, serverSelectionTimeoutMS=500))


def test_a_server_that_does_not_encrypt_is_refused(standalone: MongoServer) -> None:
    assert refusal(connect(standalone, tlsCAFile=CA, serverSelectionTimeoutMS=500))


def test_an_srv_name_encrypts_and_logs_in(server: MongoServer, dns_server: DnsServer) -> None:
    dns_server.set_srv("_mongodb._tcp.cluster.0.0.1", f"127.0.0.1:{server.ports[0]}")
    dns_server.set("cluster.0.0.1", "TXT", '"authSource=admin"')
    user, password = ROOT
    client = MongoClient[Doc](
        "mongodb+srv://cluster.0.0.1/elsewhere", tlsCAFile=CA, username=user, password=password
    )
    with client:
        assert client.admin.command("listDatabases")["ok"] == 1.0


def test_large_documents_come_through(server: MongoServer) -> None:
    document = {"_id": 1, "data": bytes(range(256)) * 40_000}
    with MongoClient[Doc](server.uri) as client:
        things = client.test_tls.things
        things.insert_one(document)
        assert things.find_one() == document
        client.drop_database("test_tls")


def test_a_password_logs_in(server: MongoServer) -> None:
    user, password = ROOT
    client = connect(server, tlsCAFile=CA, username=user, password=password)
    with client:
        status = client.admin.command("connectionStatus")
    assert [each["user"] for each in status["authInfo"]["authenticatedUsers"]] == [user]


def test_a_certificate_logs_in(server: MongoServer) -> None:
    client = connect(
        server, tlsCAFile=CA, tlsCertificateKeyFile=CLIENT, authMechanism="MONGODB-X509"
    )
    with client:
        status = client.admin.command("connectionStatus")
        users = status["authInfo"]["authenticatedUsers"]
        client.test_tls.mine.insert_one({})
        with pytest.raises(OperationFailure, match="not authorized"):
            client.other.things.insert_one({})
        client.test_tls.drop_collection("mine")
    assert users == [{"user": SUBJECT, "db": "$external"}]


def test_a_login_by_certificate_needs_one(server: MongoServer) -> None:
    client = connect(server, tlsCAFile=CA, authMechanism="MONGODB-X509")
    with client, pytest.raises(OperationFailure):
        client.admin.command("ping")


@pytest.mark.parametrize(
    "options",
    [
        {"tlsCertificateKeyFile": CLIENT},
        {
            "tlsCertificateKeyFile": str(CERTS / "client_locked.pem"),
            "tlsCertificateKeyFilePassword": "secret",
        },
    ],
    ids=["plain", "locked"],
)
def test_the_client_shows_its_certificate(
    strict_server: MongoServer, options: dict[str, Any]
) -> None:
    ping(connect(strict_server, tlsCAFile=CA, **options))


def test_a_client_without_a_certificate_is_refused(strict_server: MongoServer) -> None:
    assert refusal(connect(strict_server, tlsCAFile=CA, serverSelectionTimeoutMS=500))


def test_a_wrong_password_for_the_key_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match="tlsCertificateKeyFilePassword"):
        MongoClient[Doc](
            "localhost",
            tlsCertificateKeyFile=str(CERTS / "client_locked.pem"),
            tlsCertificateKeyFilePassword="wrong",
        )


PATCHED = """
import sys
from gevent import monkey
monkey.patch_all()
import gevent
from greenmongo import MongoClient

def ids(client):
    return [each["_id"] for each in client.test_tls.patched.find(sort=[("_id", 1)])]

with MongoClient(sys.argv[1]) as client:
    things = client.test_tls.patched
    things.insert_many([{"_id": i, "text": "x" * 10_000} for i in range(20)])
    found = [gevent.spawn(ids, client) for _ in range(20)]
    gevent.joinall(found, raise_error=True)
    print(all(each.value == list(range(20)) for each in found))
    client.drop_database("test_tls")
"""


@pytest.mark.gevent_patched
def test_a_patched_process_speaks_tls(server: MongoServer) -> None:
    done = run_script(PATCHED, server.uri)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
