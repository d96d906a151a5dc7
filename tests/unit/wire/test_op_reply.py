from __future__ import annotations

import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.errors import WireError
from greenmongo._wire.op_reply import (
    CURSOR_NOT_FOUND,
    QUERY_FAILURE,
    ReplyBody,
    decode_op_reply,
)

HELLO = bson.encode({"isMaster": 1, "helloOk": True})
OK = bson.encode({"ok": 1.0})


def reply(*documents: bytes, flags: int = 8, cursor_id: int = 0, count: int | None = None) -> bytes:
    count = len(documents) if count is None else count
    return struct.pack("<iqii", flags, cursor_id, 0, count) + b"".join(documents)


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
def test_a_reply_is_its_documents(kind: type[bytes]) -> None:
    result = decode_op_reply(kind(reply(OK, HELLO, cursor_id=2**40)))
    assert result == ReplyBody(8, 2**40, (OK, HELLO))
    assert [type(document) for document in result.documents] == [bytes, bytes]


def test_a_reply_may_have_no_document() -> None:
    assert decode_op_reply(reply(flags=CURSOR_NOT_FOUND)) == ReplyBody(CURSOR_NOT_FOUND, 0, ())


def test_a_failure_shows_in_the_flags() -> None:
    assert decode_op_reply(reply(OK, flags=QUERY_FAILURE)).flags & QUERY_FAILURE


BROKEN = {
    "nothing": (b"", "needs 20 bytes or more, got 0"),
    "cut short": (reply()[:-1], "needs 20 bytes or more, got 19"),
    "a document too few": (reply(OK, count=2), "says it has 2 documents and has 1"),
    "a document too many": (reply(OK, count=0), "says it has 0 documents and has 1"),
    "a negative count": (reply(count=-1), "says it has -1 documents and has 0"),
    "a document cut short": (reply(OK[:-1]), "does not fit"),
    "a document without its NUL": (reply(OK[:-1] + b"x"), "not end in NUL"),
    "bytes after the document": (reply(OK, b"\0"), "needs 5 bytes or more, 1 are left"),
}


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
@pytest.mark.parametrize(("raw", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_reply_is_refused(kind: type[bytes], raw: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_op_reply(kind(raw))


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda tail: reply(OK, tail)))
def test_arbitrary_bytes_give_documents_or_a_wire_error(raw: bytes) -> None:
    try:
        result = decode_op_reply(raw)
    except WireError:
        return
    assert all(len(document) >= 5 for document in result.documents)
