"""Bytes from a server that is broken or wants to do harm: never anything but a `WireError`.

`pytest tests/unit/wire/test_hostile.py --hypothesis-profile thorough --timeout 7200` tries each
property 100,000 times.
"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import bson
import pytest
from bson.errors import BSONError
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.compression import COMPRESSORS, is_available
from greenmongo._wire.errors import WireError
from greenmongo._wire.framer import Framer
from greenmongo._wire.header import HEADER, OP_COMPRESSED, OP_MSG, OP_REPLY
from greenmongo._wire.reply import read_reply
from tests.support.framing import receive

MAX = 4096
AVAILABLE = sorted(name for name in COMPRESSORS if is_available(name))

# Values at which comparisons go wrong: zero, the sign, the limits of the type and of a message.
TEMPTING = st.sampled_from([0, 1, 4, 5, 15, 16, 17, MAX - 1, MAX, MAX + 1, 2**31 - 1, -1, -(2**31)])
INTS = TEMPTING | st.integers(-(2**31), 2**31 - 1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text("aé")
    | st.binary(),
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.text("abc$"), values, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["ok", "cursor", "code", "a"]), VALUES, max_size=4)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A reply without fault, of any kind that a server may send."""
    body = bson.encode(draw(DOCUMENTS))
    kind = draw(st.sampled_from(["msg", "sequence", "checksum", "reply"]))
    op_code, payload = OP_MSG, struct.pack("<IB", 0, 0) + body
    if kind == "sequence":
        payload += struct.pack("<Bi", 1, 4 + 2 + len(body)) + b"s\0" + body
    elif kind == "checksum":
        payload = struct.pack("<IB", 1, 0) + body + b"sums"
    elif kind == "reply":
        op_code, payload = OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + body
    name = draw(st.none() | st.sampled_from(AVAILABLE))
    if name is not None:
        squeezed = COMPRESSORS[name].compress(payload)
        prefix = struct.pack("<iiB", op_code, len(payload), COMPRESSORS[name].id)
        op_code, payload = OP_COMPRESSED, prefix + squeezed
    return HEADER.pack(16 + len(payload), 7, 5, op_code) + payload


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Replies with something wrong in them, often just one number or one byte."""
    data = bytearray(b"".join(draw(st.lists(messages(), min_size=1, max_size=2))))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        at = draw(st.integers(0, min(len(data) - 1, 60)) | st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["int", "byte", "cut", "insert", "delete"])):
            case "int":
                number = struct.pack("<i", draw(INTS))
                data[at : at + 4] = number[: len(data) - at]
            case "byte":
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(max_size=20))
            case "delete":
                del data[at : at + draw(st.integers(1, 20))]
    return bytes(data)


def read_everything(data: bytes, step: int) -> list[dict[str, Any]]:
    """Do what a connection does with what comes in."""
    read = []
    for _, op_code, payload in receive(Framer(MAX), data, step):
        found = read_reply(op_code, payload, max_message_size=MAX)
        assert len(found.body) <= MAX
        read.append(bson.decode(found.body))
    return read


def bodies(data: bytes, step: int, *, briefly: bool) -> list[bytes]:
    """Return what is in replies until one is spoilt; taken `briefly` where that can be."""
    framer, read = Framer(MAX), list[bytes]()
    with suppress(WireError):
        for at in range(0, len(data), step):
            part = data[at : at + step]
            while part:
                room = framer.writable()[: len(part)]
                room[:] = part[: len(room)]
                part = part[len(room) :]
                framer.received(len(room))
                while True:
                    body = framer.next_body(5) if briefly else None
                    if body is None:
                        message = framer.next_message()
                        if message is None:
                            break
                        response_to, op_code, payload = message
                        if response_to != 5:
                            return read
                        body = read_reply(op_code, payload, max_message_size=MAX).body
                    read.append(bytes(body))
    return read


@given(spoilt(), st.sampled_from([1, 7, 16, 10_000]))
def test_an_ordinary_reply_is_the_same_either_way(data: bytes, step: int) -> None:
    assert bodies(data, step, briefly=True) == bodies(data, step, briefly=False)


@given(spoilt(), st.sampled_from([1, 7, 16, 10_000]))
def test_spoilt_replies_give_documents_or_an_error_that_says_so(data: bytes, step: int) -> None:
    with suppress(WireError, BSONError):
        read_everything(data, step)


@given(st.lists(messages(), max_size=3), st.sampled_from([1, 7, 16, 10_000]))
def test_faultless_replies_give_documents(replies: list[bytes], step: int) -> None:
    assert len(read_everything(b"".join(replies), step)) == len(replies)


@given(st.sampled_from([OP_MSG, OP_REPLY, OP_COMPRESSED]), st.binary(max_size=200))
def test_any_payload_gives_a_body_or_an_error_that_says_so(op_code: int, payload: bytes) -> None:
    try:
        found = read_reply(op_code, payload, max_message_size=MAX)
    except WireError:
        return
    assert 5 <= len(found.body) <= MAX


@given(
    st.sampled_from([OP_MSG, OP_REPLY, OP_COMPRESSED, 0]) | INTS,
    INTS,
    st.sampled_from([0, 1, 2, 3]) | st.integers(0, 255),
    st.binary(max_size=60),
    st.sampled_from([None, *AVAILABLE]),
)
def test_any_compressed_message_inflates_to_what_it_declares_or_not_at_all(
    op_code: int, size: int, number: int, data: bytes, truly: str | None
) -> None:
    if truly is not None:
        data, number = COMPRESSORS[truly].compress(data), COMPRESSORS[truly].id
    payload = struct.pack("<iiB", op_code, size, number) + data
    try:
        found = read_reply(OP_COMPRESSED, payload, max_message_size=MAX)
    except WireError:
        return
    assert len(found.body) <= size <= MAX


@given(INTS, st.binary(max_size=40))
def test_an_announced_length_takes_no_memory(length: int, start: bytes) -> None:
    framer = Framer(48_000_000)
    tracemalloc.start()
    try:
        for _ in receive(framer, HEADER.pack(length, 1, 1, OP_MSG) + start):
            pass
    except WireError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # What is larger is the system's, which gives it as it is filled.
    assert peak < 1_100_000


def nested(depth: int) -> bytes:
    """Return a document in a document in a document."""
    starts, size = [], 5
    for _ in range(depth):
        size += 8
        starts.append(struct.pack("<i", size) + b"\x03a\0")
    return b"".join(reversed(starts)) + b"\x05\0\0\0\0" + b"\0" * depth


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_documents_nested_without_end_are_refused(depth: int) -> None:
    payload = struct.pack("<IB", 0, 0) + nested(depth)
    with pytest.raises(BSONError):
        bson.decode(read_reply(OP_MSG, payload).body)


MIB = 1024 * 1024
INFLATED = 256 * MIB


def bomb(name: str) -> bytes:
    """Return little data that becomes 256 MiB of zeros."""
    if name == "snappy":
        # A literal zero, then copies of 64 bytes from one byte before: written by hand, because the
        # library would need the memory that the test says is never taken.
        size = b"\x80\x80\x80\x80\x01"
        return size + b"\x00\x00" + b"\xfe\x01\x00" * (INFLATED // 64)
    return COMPRESSORS[name].compress(bytes(INFLATED))


@pytest.fixture(scope="module", params=AVAILABLE)
def explosive(request: pytest.FixtureRequest) -> tuple[int, bytes]:
    """A compressor's id and a bomb for it."""
    name: str = request.param
    return COMPRESSORS[name].id, bomb(name)


@pytest.mark.parametrize("declared", [0, 1000, MIB, 47_000_000])
def test_a_bomb_takes_no_more_memory_than_it_declares(
    explosive: tuple[int, bytes], declared: int, peak_memory: Callable[[], int]
) -> None:
    number, data = explosive
    payload = struct.pack("<iiB", OP_MSG, declared, number) + data
    with pytest.raises(WireError):
        read_reply(OP_COMPRESSED, payload)
    # The libraries put the parts together at the end; what came in may be copied, too.
    assert peak_memory() < 2 * (declared + len(payload)) + 10 * MIB


@pytest.mark.parametrize("declared", [INFLATED, 2**31 - 1, -1, 48_000_000])
def test_a_bomb_that_declares_too_much_is_not_even_touched(
    explosive: tuple[int, bytes], declared: int, peak_memory: Callable[[], int]
) -> None:
    number, data = explosive
    payload = struct.pack("<iiB", OP_MSG, declared, number) + data
    with pytest.raises(WireError, match=f"uncompressed size {declared} is not between"):
        read_reply(OP_COMPRESSED, payload)
    assert peak_memory() < 2 * len(payload) + 10 * MIB
