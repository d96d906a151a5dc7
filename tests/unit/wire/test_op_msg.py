from __future__ import annotations

import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.errors import WireError
from greenmongo._wire.header import HEADER, OP_MSG, SMALL_MESSAGE
from greenmongo._wire.op_msg import (
    CHECKSUM_PRESENT,
    EXHAUST_ALLOWED,
    MORE_TO_COME,
    MessageBody,
    decode_op_msg,
    encode_op_msg,
)

PING = bson.encode({"ping": 1, "$db": "admin"})
EMPTY = bson.encode({})


def payload(flags: int, *sections: bytes) -> bytes:
    return struct.pack("<I", flags) + b"".join(sections)


def body(document: bytes = PING) -> bytes:
    return b"\0" + document


def sequence(identifier: bytes, *documents: bytes, size: int | None = None) -> bytes:
    content = identifier + b"\0" + b"".join(documents)
    return b"\x01" + struct.pack("<i", 4 + len(content) if size is None else size) + content


def test_a_command_is_laid_out_as_the_specification_says() -> None:
    expected = (
        struct.pack("<iiii", 16 + 4 + 1 + len(PING), 7, 0, 2013)
        + b"\0\0\0\0"  # flags
        + b"\0"  # kind: body
        + PING
    )
    assert encode_op_msg(7, PING) == expected


def test_a_document_sequence_is_laid_out_as_the_specification_says() -> None:
    first, second = bson.encode({"_id": 1}), bson.encode({"_id": 2})
    section = b"documents\0" + first + second
    content = (
        b"\x02\0\0\0" + (b"\0" + PING) + (b"\x01" + struct.pack("<i", 4 + len(section)) + section)
    )
    expected = struct.pack("<iiii", 16 + len(content), -3, 0, 2013) + content
    message = encode_op_msg(
        -3, PING, flags=MORE_TO_COME, sequences=[("documents", [first, second])]
    )
    assert message == expected


def test_promising_a_checksum_is_refused() -> None:
    with pytest.raises(ValueError, match="CHECKSUM_PRESENT"):
        encode_op_msg(1, PING, flags=CHECKSUM_PRESENT)


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
@pytest.mark.parametrize("document", [EMPTY, PING], ids=["empty", "ping"])
def test_the_commonest_reply_is_its_body(kind: type[bytes], document: bytes) -> None:
    result = decode_op_msg(kind(payload(0, body(document))))
    assert result == MessageBody(0, document, ())
    assert type(result.body) is bytes


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
def test_a_large_reply_is_not_copied(kind: type[bytes]) -> None:
    document = bson.encode({"x": "y" * SMALL_MESSAGE})
    result = decode_op_msg(kind(payload(0, body(document))))
    assert type(result.body) is memoryview
    assert result == MessageBody(0, document, ())


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
@pytest.mark.parametrize("body_first", [True, False], ids=["body first", "body last"])
def test_sections_come_in_any_order(kind: type[bytes], body_first: bool) -> None:
    one, two = sequence(b"documents", PING, EMPTY), sequence(b"", EMPTY)
    sections = (body(), one, two) if body_first else (one, two, body())
    expected = MessageBody(0, PING, (("documents", (PING, EMPTY)), ("", (EMPTY,))))
    assert decode_op_msg(kind(payload(0, *sections))) == expected


def test_a_sequence_may_be_empty() -> None:
    result = decode_op_msg(payload(0, body(), sequence(b"updates")))
    assert result.sequences == (("updates", ()),)


@pytest.mark.parametrize("flags", [MORE_TO_COME, EXHAUST_ALLOWED, 1 << 31, MORE_TO_COME | 1 << 20])
def test_known_and_optional_flags_are_passed_on(flags: int) -> None:
    assert decode_op_msg(payload(flags, body())) == MessageBody(flags, PING)


@pytest.mark.parametrize("bit", range(2, 16))
def test_an_unknown_required_flag_is_refused_and_named(bit: int) -> None:
    with pytest.raises(WireError, match=f"flag bits {1 << bit:#06x}"):
        decode_op_msg(payload(1 << bit | MORE_TO_COME, body()))


def test_a_checksum_is_skipped() -> None:
    flags = CHECKSUM_PRESENT | MORE_TO_COME
    assert decode_op_msg(payload(flags, body(), b"\xde\xad\xbe\xef")) == MessageBody(flags, PING)


def test_a_checksum_may_follow_a_sequence() -> None:
    raw = payload(CHECKSUM_PRESENT, body(), sequence(b"d", EMPTY), bytes(4))
    assert decode_op_msg(raw).sequences == (("d", (EMPTY,)),)


DOCUMENT_WITHOUT_NUL = PING[:-1] + b"\x01"

BROKEN = {
    "nothing": (b"", "4 bytes of flags, got 0"),
    "half the flags": (b"\0\0\0", "4 bytes of flags, got 3"),
    "no section": (payload(0), "no body section"),
    "only a sequence": (payload(0, sequence(b"d", PING)), "no body section"),
    "two bodies": (payload(0, body(), body()), "more than one body section"),
    "unknown kind": (payload(0, body(), b"\x02"), "unknown section kind 2"),
    "no room for a checksum": (payload(CHECKSUM_PRESENT, b"abc"), "no room for its checksum"),
    "only a checksum": (payload(CHECKSUM_PRESENT, b"abcd"), "no body section"),
    "checksum taken from the body": (payload(CHECKSUM_PRESENT, body()), "does not fit in"),
    "no document": (payload(0, b"\0"), "needs 5 bytes or more, 0 are left"),
    "a document's size cut short": (payload(0, b"\0abcd"), "needs 5 bytes or more, 4 are left"),
    "a document cut short": (payload(0, body(PING[:-1])), f"size {len(PING)} does not fit"),
    "a document of size 4": (payload(0, b"\0\x04\0\0\0\0"), "document size 4 does not fit"),
    "a document of negative size": (payload(0, b"\0\xff\xff\xff\xff\0"), "document size -1 "),
    "a document without its NUL": (payload(0, body(DOCUMENT_WITHOUT_NUL)), "not end in NUL"),
    "bytes after the body": (payload(0, body(), b"\0"), "more than one body section"),
    "a sequence's size cut short": (payload(0, body(), b"\x01\x09\0\0"), "cut short in its size"),
    "a sequence of size 4": (payload(0, body(), sequence(b"d", size=4)), "size 4 does not fit"),
    "a sequence of negative size": (payload(0, sequence(b"d", size=-9), body()), "size -9 does"),
    "a sequence longer than the message": (
        payload(0, body(), sequence(b"d", size=7)),
        "size 7 does not fit in 6 bytes",
    ),
    "an identifier without end": (
        payload(0, body(), b"\x01\x06\0\0\0dd"),
        "identifier of a document sequence does not end",
    ),
    "an identifier that is not UTF-8": (payload(0, body(), sequence(b"\xff")), r"b'\\xff'"),
    "a sequence's document over its end": (
        payload(0, sequence(b"d", PING, size=4 + 2 + len(PING) - 1), body()),
        f"size {len(PING)} does not fit in {len(PING) - 1} bytes",
    ),
    "a sequence's document without its NUL": (
        payload(0, body(), sequence(b"d", DOCUMENT_WITHOUT_NUL)),
        "not end in NUL",
    ),
}


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
@pytest.mark.parametrize(("raw", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_message_is_refused(kind: type[bytes], raw: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_op_msg(kind(raw))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_give_a_body_or_a_wire_error(raw: bytes) -> None:
    try:
        result = decode_op_msg(raw)
    except WireError:
        return
    assert len(result.body) >= 5


# Damage to a message that was right once reaches deeper than bytes without any sense.
@given(
    st.sampled_from([body(), body() + sequence(b"documents", PING, EMPTY)]),
    st.sampled_from([0, MORE_TO_COME, CHECKSUM_PRESENT]),
    st.data(),
)
def test_a_damaged_message_gives_a_body_or_a_wire_error(
    sections: bytes, flags: int, data: st.DataObject
) -> None:
    raw = bytearray(payload(flags, sections))
    for index, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=4)
    ):
        raw[index] = byte
    cut = data.draw(st.integers(0, len(raw)))
    try:
        result = decode_op_msg(bytes(raw[:cut]))
    except WireError:
        return
    assert len(result.body) >= 5


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
documents = st.dictionaries(names, st.integers(-(2**63), 2**63 - 1), max_size=4).map(bson.encode)


@given(
    st.integers(-(2**31), 2**31 - 1),
    documents,
    st.sampled_from([0, MORE_TO_COME, EXHAUST_ALLOWED]),
    st.lists(st.tuples(names, st.lists(documents, max_size=4)), max_size=3),
)
def test_what_is_encoded_is_decoded(
    request_id: int, document: bytes, flags: int, extra: list[tuple[str, list[bytes]]]
) -> None:
    message = encode_op_msg(request_id, document, flags=flags, sequences=extra)
    assert HEADER.unpack_from(message) == (len(message), request_id, 0, OP_MSG)
    sequences = tuple((name, tuple(documents)) for name, documents in extra)
    expected = MessageBody(flags, document, sequences)
    assert decode_op_msg(memoryview(message)[HEADER.size :]) == expected
