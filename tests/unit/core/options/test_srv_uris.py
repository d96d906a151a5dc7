"""The options of a `mongodb+srv://` URI before and after its records are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.srv import SrvOptions

build: Callable[..., ClientOptions] = ClientOptions.build
SRV_URI = "mongodb+srv://cluster.example.com"
HOSTS = [("h1.example.com", 27017), ("h2.example.com", 27018)]


def test_an_srv_uri_waits_for_its_hosts() -> None:
    options = build(SRV_URI)
    assert options.srv == SrvOptions("cluster.example.com")
    assert options.seeds == ()
    assert options.with_hosts(HOSTS, {}).seeds == tuple(HOSTS)


def test_an_srv_uri_encrypts_unless_told_otherwise() -> None:
    assert build(SRV_URI).tls is not None
    assert build(f"{SRV_URI}/?ssl=false").tls is None
    assert build(SRV_URI, tls=False).tls is None


def test_the_options_of_an_srv_uri_are_kept() -> None:
    options = build(f"{SRV_URI}/?srvServiceName=x&srvMaxHosts=3&srvAllowedHostsSuffix=Example.org")
    assert options.srv == SrvOptions("cluster.example.com", "x", 3, ".example.org")
    assert options.with_hosts(HOSTS, {}).srv == options.srv


def test_what_the_txt_record_says_is_taken() -> None:
    options = build("mongodb+srv://u:p@cluster.example.com/db", w=2)
    assert options.credentials is not None
    assert options.credentials.source == "db"
    found = options.with_hosts(HOSTS, {"replicaset": "rs", "authsource": "there"})
    assert found.credentials is not None
    assert (found.credentials.source, found.credentials.username) == ("there", "u")
    assert (found.replica_set, found.write_concern.document) == ("rs", {"w": 2})
    assert found.srv is not None
    assert found.srv.given == frozenset()


def test_what_was_said_goes_before_the_txt_record() -> None:
    options = build(
        "mongodb+srv://u:p@cluster.example.com/?replicaSet=mine&loadBalanced=false",
        authSource="here",
    )
    txt_options = {"replicaset": "rs", "authsource": "there", "loadbalanced": True}
    found = options.with_hosts(HOSTS, txt_options)
    assert found.credentials is not None
    assert found.credentials.source == "here"
    assert (found.replica_set, found.load_balanced) == ("mine", False)


def test_a_mechanism_outside_of_all_databases_stays_there() -> None:
    options = build(f"{SRV_URI}/?authMechanism=MONGODB-X509")
    assert options.with_hosts(HOSTS, {"authsource": "$external"}).credentials == options.credentials
    with pytest.raises(ValueError, match="external"):
        options.with_hosts(HOSTS, {"authsource": "admin"})


def test_without_a_user_the_source_is_of_no_interest() -> None:
    assert build(SRV_URI).with_hosts(HOSTS, {"authsource": "x"}).credentials is None


@pytest.mark.parametrize(
    ("query", "txt_options", "count"),
    [
        ("loadBalanced=true", {}, 2),
        ("", {"loadbalanced": True}, 2),
        ("replicaSet=rs", {"loadbalanced": True}, 1),
        ("loadBalanced=true", {"replicaset": "rs"}, 1),
        ("srvMaxHosts=1", {"replicaset": "rs"}, 1),
        ("srvMaxHosts=1", {"loadbalanced": True}, 1),
    ],
)
def test_records_and_options_must_fit(query: str, txt_options: dict[str, Any], count: int) -> None:
    options = build(f"{SRV_URI}/?{query}")
    with pytest.raises(ConfigurationError):
        options.with_hosts(HOSTS[:count], txt_options)


def test_other_uris_have_no_hosts_to_look_up() -> None:
    with pytest.raises(ConfigurationError):
        build("a").with_hosts(HOSTS, {})
