"""Where to connect to, and what the kinds of deployments forbid to combine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import ConfigurationError, InvalidURI

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.connection_string import read_uri

build: Callable[..., ClientOptions] = ClientOptions.build


@pytest.mark.parametrize(
    ("host", "port", "seeds"),
    [
        (None, 5, [("localhost", 5)]),
        ("A.example", None, [("a.example", 27017)]),
        ("a:1,b", 9, [("a", 1), ("b", 9)]),
        (["a", "b:2", "a"], None, [("a", 27017), ("b", 2)]),
        (("a",), None, [("a", 27017)]),
        ("[::1]:7", None, [("::1", 7)]),
        ("x.sock", None, [("x.sock", None)]),
        ("mongodb://%2Ftmp%2Fx.sock", None, [("/tmp/x.sock", None)]),
        ("mongodb://a,b:2/", 9, [("a", 9), ("b", 2)]),
        (["mongodb://a", "b"], None, [("a", 27017), ("b", 27017)]),
    ],
)
def test_hosts_are_taken_apart(host: Any, port: int | None, seeds: list[Any]) -> None:
    assert list(build(host, port).seeds) == seeds


@pytest.mark.parametrize(
    ("host", "port", "error", "message"),
    [
        ([], None, ConfigurationError, "at least one host"),
        ("", None, ConfigurationError, "Empty host"),
        (["mongodb://a", "mongodb://b"], None, ConfigurationError, "multiple MongoDB URIs"),
        ("http://a/", None, InvalidURI, "scheme"),
        ("a:b", None, ValueError, "Port"),
        ("a", "1", TypeError, "'1'"),
        (5, None, TypeError, "5"),
        (b"a", None, TypeError, "b'a'"),
        ([5], None, TypeError, "5"),
    ],
)
def test_what_is_no_host_is_refused(
    host: Any, port: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build(host, port)


@pytest.mark.parametrize(
    ("host", "keywords"),
    [
        ("a,b", {"directConnection": True}),
        ("a,b", {"loadBalanced": True}),
        ("a", {"loadBalanced": True, "directConnection": True}),
        ("a", {"loadBalanced": True, "replicaSet": "rs"}),
        ("mongodb://a/?srvServiceName=x", {}),
        ("mongodb://a/?srvMaxHosts=2", {}),
        ("mongodb://a/?srvAllowedHostsSuffix=x", {}),
        ("a", {"srv_host_validator": len}),
    ],
)
def test_what_cannot_be_combined_is_refused(host: str, keywords: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        build(host, **keywords)


@pytest.mark.parametrize(
    ("host", "keywords"),
    [
        ("a,b", {"directConnection": False}),
        ("a", {"directConnection": True, "replicaSet": "rs"}),
        ("a", {"loadBalanced": True, "directConnection": False}),
        ("a", {"srvServiceName": "x", "srvMaxHosts": 2}),
        ("mongodb://a/?srvMaxHosts=0", {}),
    ],
)
def test_what_can_be_combined_is_accepted(host: str, keywords: dict[str, Any]) -> None:
    build(host, **keywords)


@pytest.mark.parametrize(
    ("uri", "keywords", "error", "message"),
    [
        ("mongodb+srv://10.0.0.1/", {}, ConfigurationError, "IP address"),
        (["mongodb+srv://x.example.com/", "a"], {}, ConfigurationError, "more than"),
        ("mongodb+srv://x.example.com/?srvAllowedHostsSuffix=com", {}, ConfigurationError, "two"),
        ("mongodb+srv://x,y/", {}, InvalidURI, "only one"),
        ("mongodb+srv://x:5/", {}, InvalidURI, "port"),
        ("mongodb+srv://x/?directConnection=true", {}, ConfigurationError, "directConnection"),
        ("mongodb+srv://x/?srvMaxHosts=2&replicaSet=r", {}, InvalidURI, "replicaSet"),
        ("mongodb+srv://x/?srvMaxHosts=2&loadBalanced=true", {}, InvalidURI, "loadBalanced"),
        (
            "mongodb+srv://x/?srvAllowedHostsSuffix=y",
            {"srv_host_validator": len},
            ConfigurationError,
            "both",
        ),
    ],
)
def test_srv_uris_are_checked_before_they_are_looked_up(
    uri: str | list[str], keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build(uri, **keywords)


def test_an_srv_uri_names_no_host_yet() -> None:
    target = read_uri("mongodb+srv://u:p@X.example.com/db?w=2")
    assert (target.seeds, target.fqdn) == ((), "x.example.com")
    assert (target.username, target.password, target.database) == ("u", "p", "db")
    assert dict(target.options) == {"w": 2}
