"""What PyMongo's constructor takes ours takes, what it refuses ours refuses, with the same class.

Each value of the table is tried as a keyword and, where it can be written, in a URI.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest

from greenmongo import MongoClient

SWITCH: tuple[Any, ...] = (True, False, "x", 1)
LIMIT: tuple[Any, ...] = (0, 5, None, -1, "x", 1.5)
COUNT: tuple[Any, ...] = (0, 1, 5, -1, "x")

VALUES: dict[str, tuple[Any, ...]] = {
    "appname": ("a", "x" * 128, "x" * 129, 1),
    "authMechanism": ("SCRAM-SHA-1", "DEFAULT", "x", 1),
    "authMechanismProperties": ("SERVICE_NAME:x", "x", 1),
    "authSource": ("a", 1),
    "auto_encryption_opts": (None,),
    "compressors": ("zlib", "zlib,snappy", ["zlib"], "x"),
    "connect": (False, "x", 1),
    "connectTimeoutMS": LIMIT,
    "datetime_conversion": ("datetime", "DATETIME_MS", "x"),
    "directConnection": SWITCH,
    "document_class": (dict, int, 5),
    "driver": (5,),
    "enableOverloadRetargeting": SWITCH,
    "event_listeners": ([], 5, [5]),
    "fsync": SWITCH,
    "heartbeatFrequencyMS": (500, 1, -1, "x"),
    "journal": SWITCH,
    "loadBalanced": SWITCH,
    "localThresholdMS": COUNT,
    "maxAdaptiveRetries": COUNT,
    "maxConnecting": COUNT,
    "maxIdleTimeMS": LIMIT,
    "maxPoolSize": (0, 1, 100, None, -1, "x", 1.5, True),
    "maxStalenessSeconds": (-1, 120, "x", -2),
    "minPoolSize": (*COUNT, 101),
    "nosuch": (1,),
    "password": ("p", 1),
    "readConcernLevel": ("local", "x", 1),
    "readPreference": ("primary", "secondary", "x", 1),
    "readPreferenceTags": ("dc:a", "x", 5),
    "replicaSet": ("rs", 1),
    "retryReads": SWITCH,
    "retryWrites": SWITCH,
    "serverMonitoringMode": ("auto", "poll", "stream", "x", 1),
    "serverSelectionTimeoutMS": LIMIT,
    "serverSelectionTryOnce": (True, False),
    "server_api": (5, "1"),
    "server_selector": (None, len, 5),
    "socketTimeoutMS": LIMIT,
    "srvMaxHosts": (0, -1, "x", 1),
    "srvServiceName": ("x", 1),
    "ssl": SWITCH,
    "timeoutMS": LIMIT,
    "tls": SWITCH,
    "tlsAllowInvalidCertificates": SWITCH,
    "tlsAllowInvalidHostnames": SWITCH,
    "tlsCAFile": (None, "/none", 1),
    "tlsCRLFile": (None, "/none"),
    "tlsCertificateKeyFile": (None, "/none"),
    "tlsDisableOCSPEndpointCheck": SWITCH,
    "tlsInsecure": SWITCH,
    "type_registry": (5,),
    "tz_aware": (True, False, None, "x", 1),
    "unicode_decode_error_handler": ("strict", "ignore", "x", 1),
    "username": ("u", 1),
    "uuidRepresentation": ("standard", "pythonLegacy", "x", 1),
    "w": (0, 1, "majority", -1, 1.5),
    "wTimeoutMS": COUNT,
    "waitQueueMultiple": COUNT,
    "waitQueueTimeoutMS": LIMIT,
    "zlibCompressionLevel": (-1, 0, 9, -2, 10, "x"),
}

URIS = (
    "mongodb://a,b/?directConnection=true",
    "mongodb://a,b/?loadBalanced=true",
    "mongodb://a/?loadBalanced=true&replicaSet=x",
    "mongodb://a/?loadBalanced=true&directConnection=true",
    "mongodb://a/?tls=true&ssl=false",
    "mongodb://a/?tlsInsecure=true&tlsAllowInvalidCertificates=true",
    "mongodb://a/?w=0&journal=true",
    "mongodb://a/?w=1&w=2",
    "mongodb://a/?minPoolSize=5&maxPoolSize=2",
    "mongodb://a/?authSource=",
    "mongodb://a/?readPreference=primary&maxStalenessSeconds=100",
    "mongodb://a/?compressors=&zlibCompressionLevel=5",
    "mongodb://a/?srvMaxHosts=1",
    "mongodb://a/?a",
    "mongodb://a?tls=true",
    "mongodb://a/db.x",
    "mongodb://[::1]:27018",
    "mongodb://[::1",
    "mongodb://%2Ftmp%2Fmongodb-27017.sock",
    "mongodb:///tmp/x.sock",
    "mongodb://a:0",
    "mongodb://a:99999",
    "mongodb://a:b",
    "mongodb://a,,b",
    "mongodb://a:27017,",
    "mongodb://A.B/",
    "mongodb://u:p%ZZ@a",
    "mongodb://u@ser:p@a",
    "mongodb://",
    "http://a",
)


def verdict(kind: type[Any], *args: Any, **options: Any) -> str:
    """Return the class of the error; else "taken", or "ignored" with a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            kind(*args, **{"connect": False, **options}).close()
        except Exception as error:
            return type(error).__name__
    return "ignored" if any(each.category is UserWarning for each in caught) else "taken"


def keywords() -> Iterator[tuple[str, Any]]:
    for name, values in VALUES.items():
        for value in values:
            yield name, value


def uris() -> Iterator[str]:
    for name, value in keywords():
        if isinstance(value, (str, int, float)):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            user = "u:p@" if name == "authMechanism" else ""
            yield f"mongodb://{user}localhost/?{name}={text}"
    yield from URIS


@pytest.mark.parametrize(("name", "value"), list(keywords()))
def test_a_keyword_is_judged_as_by_pymongo(name: str, value: Any) -> None:
    if name == "server_selector" and pymongo.version_tuple < (4, 19):
        pytest.skip("it was a ValueError before")
    options: dict[str, Any] = {name: value}
    if name in ("authMechanism", "username", "password"):
        options = {"username": "u", "password": "p", **options}
    assert verdict(MongoClient, **options) == verdict(pymongo.MongoClient, **options)


@pytest.mark.parametrize("uri", list(uris()))
def test_a_uri_is_judged_as_by_pymongo(uri: str) -> None:
    assert verdict(MongoClient, uri) == verdict(pymongo.MongoClient, uri)
