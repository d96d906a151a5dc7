"""What PyMongo's `client.options` answers to, ours does."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from pymongo.client_options import ClientOptions as TheirOptions
from pymongo.driver_info import DriverInfo
from pymongo.pool_options import PoolOptions

from greenmongo._core.options import ClientOptions

build: Callable[..., ClientOptions] = ClientOptions.build


def test_pymongos_names_for_options_are_there_too() -> None:
    options = build(replicaSet="rs", heartbeatFrequencyMS=2000, maxIdleTimeMS=500)
    assert options.replica_set_name == "rs"
    assert options.heartbeat_frequency == 2.0
    assert options.local_threshold_ms == 15
    assert options.pool_options.max_pool_size == 100
    assert options.pool_options.max_idle_time_seconds == 0.5
    driver = DriverInfo("odm")
    named = build(appname="a", driver=driver, tls=True, tlsAllowInvalidHostnames=True)
    assert named.pool_options.appname == "a"
    assert named.pool_options.driver is driver
    assert named.pool_options.tls_allow_invalid_hostnames
    assert not options.pool_options.tls_allow_invalid_hostnames
    assert options.auto_encryption_opts is None


def test_no_option_that_pymongo_documents_is_missing() -> None:
    theirs = {name for kind in (TheirOptions, PoolOptions) for name in dir(kind)}
    missing = {name for name in theirs if not name.startswith("_")} - set(dir(ClientOptions))
    # What its pools tell of themselves: for its own use.
    assert missing <= {"metadata", "non_default_options", "pause_enabled"}


def test_a_client_without_options_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build("mongodb://u:p@a,b/db?w=majority&readPreference=nearest")
