"""What the hub may encode: what is seen at a glance to be small, and of nobody's classes."""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import bson
import pytest
from bson.binary import Binary
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.raw_bson import RawBSONDocument

from greenmongo._core.user_code import is_quickly_encoded

LIMIT = 2_000


class Zone(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "the user's"


class Text(str):
    pass


PLAIN = {
    "leaves": [1, 1.5, True, None, bson.Int64(1), bson.ObjectId(), Decimal128("1.5"), uuid4()],
    "text": ["x", b"x", Binary(b"x"), re.compile("x"), bson.Regex("x"), bson.MinKey()],
    "documents": [{"a": [{"b": ({"c": 1},)}]}, bson.SON(a=1), RawBSONDocument(bson.encode({}))],
    "times": [datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=timezone.utc)],
    "time zones": [datetime(2026, 1, 2, tzinfo=ZoneInfo("UTC")), bson.DatetimeMS(1)],
    "much text": ["x" * 1024 * 1024],
}

OTHERS = {
    "a document": {"a": [{"b": OrderedDict()}]},
    "a time zone": [datetime(2026, 1, 2, tzinfo=Zone())],
    "a reference": DBRef("c", 1),
    "a scope": [bson.Code("f", {})],
    "text": {"a": Text("x")},
    "what cannot be encoded": [Decimal(1), object()],
    "many values": [0] * (LIMIT + 1),
    "many values inside": {"a": {"b": [list(range(LIMIT))]}},
    "too much text": ["x" * 3 * 1024 * 1024],
    "too many bytes": [Binary(bytes(1024 * 1024))] * 3,
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_and_small_is_seen_to_be(name: str) -> None:
    assert is_quickly_encoded([PLAIN[name]])


@pytest.mark.parametrize("name", OTHERS)
def test_of_nothing_else_it_is_said(name: str) -> None:
    assert not is_quickly_encoded([OTHERS[name]])


def test_what_is_nested_without_an_end_ends_the_look() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert not is_quickly_encoded(endless)
