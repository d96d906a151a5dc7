"""What PyMongo's `client.options` answers to, ours does."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pymongo
import pytest
from pymongo.client_options import ClientOptions as TheirOptions
from pymongo.driver_info import DriverInfo
from pymongo.monitoring import CommandListener
from pymongo.pool_options import PoolOptions

import bridge
import greenmongo
from greenmongo._core.options import ClientOptions

build: Callable[..., ClientOptions] = ClientOptions.build
CLIENTS = [greenmongo.MongoClient, bridge.AsyncMongoClient]


class Listener(CommandListener):
    pass


LISTENER = Listener()
SIZES = {"maxPoolSize": 10, "minPoolSize": 2, "maxConnecting": 3}
TIMES = {"maxIdleTimeMS": 500, "waitQueueTimeoutMS": 100, "connectTimeoutMS": 0, "timeoutMS": 0}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "sizes": SIZES,
    "times": {**TIMES, "socketTimeoutMS": 300, "serverSelectionTimeoutMS": 5},
    "no limit": {"maxPoolSize": None},
    "no limit by 0": {"maxPoolSize": 0},
    "names": {"appname": "a", "driver": DriverInfo("odm", "1", "x"), "replicaSet": "rs"},
    "tls": {"tls": True, "tlsAllowInvalidHostnames": True},
    "balanced": {"loadBalanced": True, "retryReads": False, "retryWrites": False},
    "listeners": {"event_listeners": [LISTENER]},
    "reads": {"readPreference": "nearest", "readConcernLevel": "local", "w": 2, "tz_aware": True},
    "monitoring": {"heartbeatFrequencyMS": 700, "serverMonitoringMode": "poll"},
}
OTHERWISE = {
    "pool_options",  # looked at by itself
    "server_selector",  # PyMongo's default is a function that returns all
    "metadata",  # names another driver
}


def documented(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize("given", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_options_look_like_pymongos(make: Callable[..., Any], given: dict[str, Any]) -> None:
    """D12: every attribute that PyMongo documents has PyMongo's value."""
    ours = make(connect=False, **given).options
    theirs = pymongo.MongoClient[Any](connect=False, **given).options
    for kind, expected, found in (
        (TheirOptions, theirs, ours),
        (PoolOptions, theirs.pool_options, ours.pool_options),
    ):
        for name in documented(kind) - OTHERWISE:
            value, wanted = getattr(found, name), getattr(expected, name)
            # What is neither given nor so by default is None there.
            assert (name, value) == (name, wanted) or (name, value, wanted) == (
                "load_balanced",
                False,
                None,
            )
            assert isinstance(value, list) == isinstance(wanted, list)


def test_the_list_of_listeners_is_the_readers_own() -> None:
    """D12: whoever changes it changes nothing."""
    options = build(event_listeners=[LISTENER])
    options.event_listeners.clear()
    assert options.event_listeners == [LISTENER]


@pytest.mark.parametrize("make", CLIENTS)
def test_metadata_is_what_handshakes_tell(make: Callable[..., Any]) -> None:
    """D12: with the libraries that were added, in a copy of the reader's own."""
    client = make(connect=False, appname="shop", driver=DriverInfo("odm", "1"))
    metadata = client.options.pool_options.metadata
    assert metadata["application"] == {"name": "shop"}
    assert metadata["driver"]["name"].endswith("|odm")
    assert metadata.keys() >= {"driver", "os", "platform"}
    metadata["driver"].clear()
    client.append_metadata(DriverInfo("web", "2"))
    assert client.options.pool_options.metadata["driver"]["name"].endswith("|odm|web")


def test_a_client_without_options_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build("mongodb://u:p@a,b/db?w=majority&readPreference=nearest")
