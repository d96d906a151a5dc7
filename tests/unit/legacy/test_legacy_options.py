"""The old constructors' options, as they end up in the client; no server is asked.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from bson.binary import UuidRepresentation
from pymongo.errors import ConfigurationError
from pymongo.read_preferences import Nearest, Primary, Secondary, SecondaryPreferred

from greenmongo import Connection, Database, MongoReplicaSetClient, ReplicaSetConnection

HOST = "db.example"
CA = str(Path(__file__).parents[2] / "support" / "certs" / "ca.pem")


def connection(host: Any = HOST, **options: Any) -> Connection[dict[str, Any]]:
    return Connection(host, _connect=False, **options)


@pytest.fixture
def plain() -> Iterator[Connection[dict[str, Any]]]:
    with connection() as client:
        yield client


def test_the_defaults_are_those_of_the_old_days(plain: Connection[dict[str, Any]]) -> None:
    options = plain.options
    assert options.auto_start_request
    assert not options.use_greenlets
    assert not options.retry_reads
    assert not options.retry_writes
    assert options.max_pool_size == 100
    assert plain.safe


def test_what_no_server_told_yet_has_its_type(plain: Connection[dict[str, Any]]) -> None:
    assert (plain.host, plain.port, plain.address) == (None, None, None)
    assert plain.nodes == frozenset()
    assert not plain.is_primary
    assert not plain.is_mongos
    assert plain.max_bson_size == 16 * 1024 * 1024
    assert plain.document_class is dict
    assert not plain.tz_aware
    assert not plain.in_request()


def test_the_arguments_have_their_old_positions() -> None:
    client: Connection[dict[str, Any]] = Connection(HOST, 27018, 7, 2.5, dict, True, False)
    assert client.options.seeds == ((HOST, 27018),)
    assert client.max_pool_size == 7
    assert client.options.socket_timeout == 2.5
    assert client.tz_aware


def test_the_arguments_of_a_replica_set_connection_have_theirs() -> None:
    client = ReplicaSetConnection("a:1,b:2", 7, dict, True, replicaSet="rs", _connect=False)
    assert client.seeds == {("a", 1), ("b", 2)}
    assert client.max_pool_size == 7
    assert client.tz_aware
    assert client.options.replica_set == "rs"
    assert (client.primary, client.secondaries, client.arbiters) == (None, set(), set())
    assert client.hosts == frozenset()


def test_the_host_argument_wins_over_hosts_or_uri() -> None:
    client: ReplicaSetConnection[dict[str, Any]] = ReplicaSetConnection(
        "a", host="b", port=2, replicaSet="rs", _connect=False
    )
    assert client.seeds == {("b", 2)}


def test_a_replica_set_connection_needs_the_name_of_the_set() -> None:
    with pytest.raises(ConfigurationError, match="replicaSet"):
        ReplicaSetConnection(HOST)


@pytest.mark.parametrize(
    ("host", "options", "direct"),
    [
        (HOST, {}, True),
        (f"mongodb://{HOST}/", {}, True),
        (HOST, {"replicaSet": "rs"}, None),
        (f"mongodb://{HOST}/?replicaSet=rs", {}, None),
        (["a", "b"], {}, None),
        (HOST, {"directConnection": False}, False),
    ],
)
def test_one_host_without_a_set_is_that_server_alone(
    host: Any, options: dict[str, Any], direct: bool | None
) -> None:
    assert connection(host, **options).options.direct_connection is direct


@pytest.mark.parametrize(
    ("options", "w"),
    [
        ({}, None),
        ({"safe": True}, None),
        ({"safe": False}, 0),
        ({"w": 0}, 0),
        ({"w": 2}, 2),
        ({"safe": False, "w": 2}, 2),
    ],
)
def test_writes_are_acknowledged_unless_the_options_say_no(
    options: dict[str, Any], w: int | None
) -> None:
    client = connection(**options)
    assert client.write_concern.document.get("w") == w
    assert client.safe is (w != 0)


def test_an_option_of_acknowledgement_implies_safe() -> None:
    client = connection(safe=False, j=True, wtimeout=50)
    assert client.write_concern.document == {"j": True, "wtimeout": 50}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"read_preference": 0}, Primary()),
        ({"read_preference": 2}, Secondary()),
        ({"read_preference": 4, "tag_sets": [{"dc": "ny"}, {}]}, Nearest([{"dc": "ny"}, {}])),
        ({"read_preference": Secondary(), "tag_sets": [{"dc": "ny"}]}, Secondary([{"dc": "ny"}])),
        ({"readPreference": "nearest", "tag_sets": [{"dc": "ny"}]}, Nearest([{"dc": "ny"}])),
        ({"tag_sets": [{}]}, Primary()),
    ],
)
def test_read_preferences_may_be_numbers_with_tag_sets(
    options: dict[str, Any], expected: object
) -> None:
    assert connection(**options).read_preference == expected


@pytest.mark.parametrize("tag_sets", [[], {}, "foo", ["foo"], [{"dc": "ny"}]])
def test_S25_tag_sets_that_make_no_sense_with_primary_are_refused(tag_sets: object) -> None:
    with pytest.raises(ConfigurationError, match="tag_sets"):
        connection(tag_sets=tag_sets)


def test_S25_any_member_makes_sense_with_primary() -> None:
    assert connection(tag_sets=[{}]).read_preference == Primary()


def test_slave_okay_means_secondary_preferred_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="slave_okay"):
        client = connection(slave_okay=True)
    assert client.read_preference == SecondaryPreferred()
    assert client.slave_okay


def test_the_latency_window_keeps_its_old_name() -> None:
    assert connection(secondary_acceptable_latency_ms=40).secondary_acceptable_latency_ms == 40


def test_old_options_may_stand_in_the_uri() -> None:
    client = connection(
        f"mongodb://{HOST}/?safe=false&auto_start_request=false&use_greenlets=true"
        "&max_pool_size=3&network_timeout=2&retryWrites=true"
    )
    options = client.options
    assert not client.safe
    assert not options.auto_start_request
    assert options.use_greenlets
    assert options.max_pool_size == 3
    assert options.socket_timeout == 2
    assert options.retry_writes


def test_a_keyword_wins_over_the_uri() -> None:
    client = connection(f"mongodb://{HOST}/?safe=false;max_pool_size=3", safe=True, max_pool_size=4)
    assert client.safe
    assert client.max_pool_size == 4


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ssl_cert_reqs": ssl.CERT_NONE}, {"allow_invalid_certificates": True}),
        ({"ssl_cert_reqs": 2}, {"allow_invalid_certificates": False}),
        ({"ssl_match_hostname": False}, {"allow_invalid_hostnames": True}),
        ({"ssl": True, "ssl_ca_certs": CA}, {"ca_file": CA}),
        ({"ssl_certfile": CA, "ssl_keyfile": CA}, {"certificate_key_file": CA}),
        ({"ssl": True}, {"allow_invalid_certificates": False}),
    ],
)
def test_the_ssl_options_are_those_of_tls(options: Any, expected: dict[str, Any]) -> None:
    tls = connection(**options).options.tls
    assert tls is not None
    assert {name: getattr(tls, name) for name in expected} == expected


def test_the_ssl_options_may_stand_in_the_uri() -> None:
    path = quote_plus(CA)
    client = connection(f"mongodb://{HOST}/?ssl_ca_certs={path}&ssl_cert_reqs=CERT_REQUIRED")
    tls = client.options.tls
    assert tls is not None
    assert (tls.ca_file, tls.allow_invalid_certificates) == (CA, False)


def test_options_without_an_effect_are_taken() -> None:
    assert connection(socketKeepAlive=False, waitQueueMultiple=3).options.wait_queue_multiple == 3


def test_a_service_name_is_a_property_of_the_mechanism() -> None:
    client = connection(username="ada", authMechanism="GSSAPI", gssapiServiceName="mongo")
    credentials = client.options.credentials
    assert credentials is not None
    assert credentials.mechanism_properties["SERVICE_NAME"] == "mongo"


def test_uuids_are_stored_as_they_were(plain: Connection[dict[str, Any]]) -> None:
    assert plain.uuid_subtype == UuidRepresentation.PYTHON_LEGACY
    assert connection(uuidRepresentation="standard").uuid_subtype == UuidRepresentation.STANDARD


def test_a_mongo_replica_set_client_is_a_client_of_today_with_the_old_attributes() -> None:
    client = MongoReplicaSetClient("a:1,b:2", 7, dict, True, replicaSet="rs", connect=False)
    assert client.seeds == {("a", 1), ("b", 2)}
    assert (client.max_pool_size, client.tz_aware) == (7, True)
    assert client.hosts == frozenset()
    assert not client.auto_start_request
    assert client.options.retry_writes
    assert client.safe
    assert type(client.db) is Database
    client.close()
    with pytest.raises(ConfigurationError, match="replicaSet"):
        MongoReplicaSetClient("a")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"ssl": False, "ssl_ca_certs": CA}, "ssl_ca_certs"),
        ({"ssl_keyfile": CA}, "ssl_keyfile"),
        ({"ssl_cert_reqs": 3}, "ssl_cert_reqs"),
        ({"ssl_cert_reqs": True}, "ssl_cert_reqs"),
        ({"ssl_match_hostname": "perhaps"}, "ssl_match_hostname"),
        ({"socketKeepAlive": "perhaps"}, "socketKeepAlive"),
        (
            {"gssapiServiceName": "a", "authMechanismProperties": "SERVICE_NAME:b"},
            "gssapiServiceName",
        ),
        ({"no_such_option": 1}, "no_such_option"),
        ({"no_such_option": None}, "no_such_option"),
        ({"safe": "maybe"}, "safe"),
        ({"safe": True, "w": 0}, "safe"),
        ({"network_timeout": 0}, "network_timeout"),
        ({"network_timeout": "soon"}, "network_timeout"),
        ({"read_preference": 5}, "read_preference"),
        ({"auto_start_request": 1}, "auto_start_request"),
        ({"use_greenlets": "yes"}, "use_greenlets"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        connection(**options)
