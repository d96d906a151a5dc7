"""The fixed-reply server is a server to drivers."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from benchmarks.measure import COLLECTION, DATABASE, DOCUMENT, FILTER
from benchmarks.server import FixedServer, Truncated, answer


def request(command: Mapping[str, Any], *, request_id: int = 7, flags: int = 0) -> bytes:
    body = struct.pack("<iB", flags, 0) + bson.encode(command)
    return struct.pack("<iiii", 16 + len(body), request_id, 0, 2013) + body


def body_of(reply: bytes) -> dict[str, Any]:
    return bson.decode(reply[21:])


@pytest.fixture(scope="module")
def client() -> Iterator[MongoClient[dict[str, Any]]]:
    with FixedServer() as server:
        client: MongoClient[dict[str, Any]] = MongoClient(server.uri)
        with client:
            yield client


def test_pymongo_gets_the_document(client: MongoClient[dict[str, Any]]) -> None:
    assert client[DATABASE][COLLECTION].find_one(FILTER) == DOCUMENT


def test_pymongo_can_ping(client: MongoClient[dict[str, Any]]) -> None:
    assert client.admin.command("ping") == {"ok": 1.0}


def test_an_unknown_command_is_an_error(client: MongoClient[dict[str, Any]]) -> None:
    with pytest.raises(OperationFailure, match="no such command"):
        client.admin.command("replSetGetStatus")


def test_a_reply_names_its_request() -> None:
    replies, _ = answer(request({"ping": 1}, request_id=1234))
    length, _, response_to, opcode = struct.unpack_from("<iiii", replies)
    assert (length, response_to, opcode) == (len(replies), 1234, 2013)


def test_identifiers_are_64_bits_wide() -> None:
    hello, _ = answer(request({"hello": 1, "$db": "admin"}))
    found, _ = answer(request({"find": COLLECTION, "$db": DATABASE}))
    assert isinstance(body_of(hello)["connectionId"], bson.Int64)
    assert isinstance(body_of(found)["cursor"]["id"], bson.Int64)


def test_every_request_in_one_chunk_is_answered() -> None:
    replies, rest = answer(request({"ping": 1}) * 3)
    assert replies == answer(request({"ping": 1}))[0] * 3
    assert rest == b""


@pytest.mark.parametrize("size", [1, 15, 16, 30])
def test_a_partial_request_waits_for_its_rest(size: int) -> None:
    whole = request({"ping": 1})
    assert answer(whole[:size]) == (b"", whole[:size])


def test_an_unacknowledged_request_gets_no_reply() -> None:
    assert answer(request({"ping": 1}, flags=2)) == (b"", b"")


def test_an_impossible_length_is_refused() -> None:
    with pytest.raises(Truncated):
        answer(bytes(16))
