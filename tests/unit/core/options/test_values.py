"""What each option takes, as a keyword and in a URI."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timezone
from typing import Any

import pytest
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion, TypeRegistry
from pymongo.errors import ConfigurationError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Nearest, Primary, Secondary
from pymongo.server_api import ServerApi
from pymongo.write_concern import WriteConcern

from bridge import AsyncConnection, AsyncMongoClient
from bridge.motor import AsyncIOMotorClient
from greenmongo import Connection, MongoClient
from greenmongo._core.options import ClientOptions

build: Callable[..., ClientOptions] = ClientOptions.build
URI = "mongodb://localhost/?"


class Listener(CommandListener):
    pass


def test_nothing_given_means_pymongos_defaults() -> None:
    options = build()
    assert options == ClientOptions()
    assert options.seeds == (("localhost", 27017),)
    assert options.server_selection_timeout == 30.0
    assert options.connect_timeout == 20.0
    assert options.heartbeat_interval == 10.0
    assert options.local_threshold == 0.015
    assert (options.max_pool_size, options.min_pool_size, options.max_connecting) == (100, 0, 2)
    assert options.socket_timeout is options.timeout is options.wait_queue_timeout is None
    assert options.max_idle_time is None
    assert options.retry_reads
    assert options.retry_writes
    assert options.read_preference == Primary()
    assert options.write_concern == WriteConcern()
    assert options.read_concern == ReadConcern()
    assert options.codec_options == CodecOptions()
    assert options.codec_options.uuid_representation == UuidRepresentation.UNSPECIFIED
    assert options.tls is None
    assert options.credentials is None
    assert options.srv is None
    assert options.connect is None
    assert options.direct_connection is None
    assert not options.load_balanced
    assert not options.auto_start_request
    assert not options.use_greenlets


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("appname", "shop", "app_name", "shop"),
        ("compressors", "zlib", "compressors", ("zlib",)),
        ("connect", False, "connect", False),
        ("connectTimeoutMS", 0, "connect_timeout", None),
        ("connectTimeoutMS", 1500, "connect_timeout", 1.5),
        ("directConnection", True, "direct_connection", True),
        ("enableOverloadRetargeting", True, "enable_overload_retargeting", True),
        ("heartbeatFrequencyMS", 500, "heartbeat_interval", 0.5),
        ("loadBalanced", True, "load_balanced", True),
        ("localThresholdMS", 20, "local_threshold", 0.02),
        ("maxAdaptiveRetries", 5, "max_adaptive_retries", 5),
        ("maxConnecting", 4, "max_connecting", 4),
        ("maxIdleTimeMS", 250, "max_idle_time", 0.25),
        ("maxPoolSize", 0, "max_pool_size", None),
        ("maxPoolSize", 7, "max_pool_size", 7),
        ("minPoolSize", 7, "min_pool_size", 7),
        ("readConcernLevel", "majority", "read_concern", ReadConcern("majority")),
        ("readPreference", "nearest", "read_preference", Nearest()),
        ("replicaSet", "rs0", "replica_set", "rs0"),
        ("retryReads", False, "retry_reads", False),
        ("retryWrites", False, "retry_writes", False),
        ("serverMonitoringMode", "poll", "server_monitoring_mode", "poll"),
        ("serverSelectionTimeoutMS", 0, "server_selection_timeout", 0),
        ("socketTimeoutMS", 200, "socket_timeout", 0.2),
        ("timeoutMS", 0, "timeout", 0.0),
        ("timeoutMS", 200, "timeout", 0.2),
        ("w", 2, "write_concern", WriteConcern(2)),
        ("w", "majority", "write_concern", WriteConcern("majority")),
        ("waitQueueMultiple", 3, "wait_queue_multiple", 3),
        ("waitQueueTimeoutMS", 100, "wait_queue_timeout", 0.1),
        ("zlibCompressionLevel", 9, "zlib_level", 9),
        ("auto_start_request", True, "auto_start_request", True),
        ("use_greenlets", True, "use_greenlets", True),
        ("tz_aware", True, "codec_options", CodecOptions(tz_aware=True)),
        (
            "uuidRepresentation",
            "standard",
            "codec_options",
            CodecOptions(uuid_representation=UuidRepresentation.STANDARD),
        ),
    ],
)
def test_a_keyword_and_its_uri_option_mean_the_same(
    name: str, value: Any, field: str, expected: Any
) -> None:
    text = str(value).lower() if isinstance(value, bool) else value
    for options in (
        build(**{name: value}),
        build(f"{URI}{name}={text}"),
        build(f"{URI}{name.upper()}={text}"),
        build(**{name.upper(): value}),
    ):
        assert getattr(options, field) == expected


LISTENER = Listener()
SERVER_API = ServerApi("1")
KEYWORD_ONLY: list[tuple[str, Any, Callable[[ClientOptions], Any], Any]] = [
    ("document_class", dict, lambda it: it.codec_options.document_class, dict),
    ("event_listeners", [LISTENER], lambda it: it.event_listeners, [LISTENER]),
    ("max_adaptive_retries", 4, lambda it: it.max_adaptive_retries, 4),
    ("read_preference", Secondary(), lambda it: it.read_preference, Secondary()),
    ("server_api", SERVER_API, lambda it: it.server_api, SERVER_API),
    ("server_selector", len, lambda it: it.server_selector, len),
    ("type_registry", TypeRegistry(), lambda it: it.codec_options.type_registry, TypeRegistry()),
    ("driver", None, lambda it: it.driver_info, None),
    ("auto_encryption_opts", None, lambda it: it, ClientOptions()),
    (
        "datetime_conversion",
        "DATETIME_MS",
        lambda it: it.codec_options.datetime_conversion,
        DatetimeConversion.DATETIME_MS,
    ),
]


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"), KEYWORD_ONLY, ids=[it[0] for it in KEYWORD_ONLY]
)
def test_some_options_are_keywords(
    name: str, value: Any, read: Callable[[ClientOptions], Any], expected: Any
) -> None:
    assert read(build(**{name: value})) == expected


def test_a_time_zone_needs_aware_datetimes() -> None:
    assert build(tz_aware=True, tzinfo=timezone.utc).codec_options.tzinfo is timezone.utc
    with pytest.raises(ValueError, match="tz_aware"):
        build(tzinfo=timezone.utc)


def test_keywords_win_over_the_uri() -> None:
    options = build("mongodb://u:p@h/?w=1&maxPoolSize=5", W=3, maxPoolSize=6, username="v")
    assert options.write_concern == WriteConcern(3)
    assert options.max_pool_size == 6
    assert options.credentials is not None
    assert (options.credentials.username, options.credentials.password) == ("v", "p")


@pytest.mark.parametrize("name", ["tz_aware", "connect", "document_class", "type_registry"])
def test_none_leaves_it_to_the_uri(name: str) -> None:
    options = build(f"{URI}tz_aware=true&connect=false", **{name: None})
    assert options.codec_options.tz_aware
    assert options.connect is False


def test_none_is_the_default_heartbeat() -> None:
    assert build(heartbeatFrequencyMS=None).heartbeat_interval == 10.0


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"maxPoolSize": "many"}, ValueError),
        ({"maxPoolSize": 1.5}, TypeError),
        ({"maxConnecting": 0}, ValueError),
        ({"minPoolSize": 200}, ValueError),
        ({"heartbeatFrequencyMS": 10}, ConfigurationError),
        ({"serverSelectionTimeoutMS": None}, ConfigurationError),
        ({"appname": "x" * 129}, ValueError),
        ({"document_class": list}, TypeError),
        ({"event_listeners": 3}, TypeError),
        ({"event_listeners": [3]}, TypeError),
        ({"read_preference": "nearest"}, TypeError),
        ({"readPreference": "closest"}, ValueError),
        ({"server_selector": 3}, TypeError),
        ({"username": 3}, TypeError),
        ({"auto_encryption_opts": 3}, ConfigurationError),
        ({"tlsCAFile": "/does/not/exist"}, FileNotFoundError),
        ({"w": 0, "journal": True}, ConfigurationError),
    ],
    ids=str,
)
def test_a_wrong_keyword_raises_and_names_itself(
    keywords: dict[str, Any], error: type[Exception]
) -> None:
    name = "/does/not/exist" if error is FileNotFoundError else next(iter(keywords))
    if name == "readPreference":
        name = "closest"
    with pytest.raises(error, match=name):
        build(**keywords)


def test_a_secret_that_is_no_good_is_not_shown() -> None:
    with pytest.raises(ValueError, match="auth mechanism properties") as caught:
        build(authMechanismProperties="hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["auto_start_request", "use_greenlets"])
@pytest.mark.parametrize("value", [None, 5, "hi!", 1, "True"])
def test_our_switches_name_themselves_and_the_wrong_value(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} must be .*not {value!r}"):
        build(**{name: value})
    if isinstance(value, str):
        with pytest.raises(ConfigurationError, match=rf"{name} must be .*not {value!r}"):
            build(f"{URI}{name}={value}")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("maxPolSize", "maxpoolsize, minpoolsize, srvmaxhosts"),
        ("max_pool_sizes", "maxpoolsize, minpoolsize, srvmaxhosts"),
        ("connectTimeout", "connecttimeoutms, sockettimeoutms, connect"),
        ("retryWrite", "retrywrites, retryreads, type_registry"),
        ("use_greenlet", "use_greenlets"),
        ("zzz", "tzinfo"),
    ],
)
@pytest.mark.parametrize(
    "make", [build, MongoClient, Connection, AsyncMongoClient, AsyncConnection, AsyncIOMotorClient]
)
def test_an_unknown_keyword_is_named_with_guesses(
    make: Callable[..., Any], given: str, meant: str
) -> None:
    """D11: in PyMongo's words."""
    expected = f"Unknown option: {given}. Did you mean one of ({meant}"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(expected)}") as caught:
        make(**{given: 1})
    assert str(caught.value).endswith(") or maybe a camelCase version of one? Refer to docstring.")


def test_an_unknown_option_of_a_uri_is_answered_with_guesses() -> None:
    """D11: what may be a piece of a password is not named, as PyMongo never does."""
    guesses = r"Did you mean one of \(maxpoolsize, .*\) or maybe a camelCase version of one\?"
    with pytest.warns(UserWarning, match=rf"^Unknown option: maxPolSize\. {guesses}"):
        build(f"{URI}maxPolSize=1")
    with pytest.warns(UserWarning, match=rf"^Unknown option\. {guesses}"):
        build(f"{URI}proxyHost=h&proxyUsername=u&proxyPassword=x&maxPolSize=1")


def test_there_is_not_always_a_guess() -> None:
    with pytest.raises(ConfigurationError, match=r"^Unknown option: qqq\.$"):
        build(qqq=1)
