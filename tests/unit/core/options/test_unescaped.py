"""Passwords with reserved characters that nobody has escaped: refused, and never shown."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from pymongo.errors import InvalidURI

import bridge
import bridge.motor
import greenmongo
from greenmongo._core.options.connection_string import read_hosts

CLIENTS = [
    greenmongo.MongoClient,
    greenmongo.Connection,
    bridge.AsyncMongoClient,
    bridge.AsyncConnection,
    bridge.motor.AsyncIOMotorClient,
]
SECRET, TAIL = "Zx9", "Qv7"
RESERVED = ("?", "/", "@", ":", "%", "?a=", "?a&b=", "?safe=", "@?", "@/", "/?", "?/", "??", "//")
BEGINNINGS = (SECRET, "12", "12345678")
"""Some of which could be a port."""
ENDINGS = ("", "/", "/db", "/?w=1", "/db?retryWrites=true&appname=a", "?w=1", ":27017", ":1,b:2/")


@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize("reserved", RESERVED)
@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
def test_a_reserved_character_in_a_password_is_refused(
    make: Callable[..., Any], reserved: str, beginning: str, scheme: str
) -> None:
    """F13: the message says how to escape, and shows no piece of the password."""
    for ending in ENDINGS:
        uri = f"{scheme}://user:{beginning}{reserved}{TAIL}@host.example.com{ending}"
        with pytest.raises(InvalidURI, match=r"escaped.*urllib\.parse\.quote_plus") as caught:
            make(uri, connect=False)
        assert_hidden(caught.value, beginning)


def assert_hidden(error: BaseException, *pieces: str) -> None:
    shown = "".join(traceback.format_exception_only(type(error), error))
    shown += f"{error.__cause__!r}{error.args!r}"
    if not error.__suppress_context__:
        shown += repr(error.__context__)
    for piece in (SECRET, TAIL, *pieces):
        assert piece not in shown


@pytest.mark.parametrize("reserved", ["?", "/", "@"])
def test_a_reserved_character_in_a_user_name_is_refused(reserved: str) -> None:
    """F13: a user name is escaped as the password is."""
    with pytest.raises(InvalidURI, match="quote_plus") as caught:
        read_hosts(f"mongodb://me{reserved}you:{SECRET}@host/?w=1", None)
    assert_hidden(caught.value)


@pytest.mark.parametrize("host", [f"me:{SECRET}@host", f"me:{SECRET}?{TAIL}@host:27017"])
def test_a_user_name_without_a_scheme_is_refused(host: str) -> None:
    """F13: a piece of the password would be the port."""
    with pytest.raises(InvalidURI, match="begins with mongodb://") as caught:
        read_hosts(["other", host], None)
    assert_hidden(caught.value)


def test_what_quote_plus_makes_is_read_back() -> None:
    """F13: the remedy works."""
    password = f"{SECRET}?/#[]@:% +&=;é{TAIL}"
    parsed = read_hosts(f"mongodb://me:{quote_plus(password)}@host/db?w=1", None)
    assert (parsed.password, parsed.database) == (password, "db")


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://host/?appname=me@home",
        "mongodb://me:it@host/db?appname=me@home&w=1",
        "mongodb://host?replicaSet=a@b",
        "mongodb://me:p#[]&=;@host/",
        "mongodb://me:it@host/a%40b",
    ],
)
def test_what_can_be_read_is_read(uri: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_hosts(uri, None)


def test_a_wrong_port_is_no_matter_of_escaping() -> None:
    with pytest.raises(ValueError, match="Port") as caught:
        read_hosts("mongodb://host:x/", None)
    assert not isinstance(caught.value, InvalidURI)
