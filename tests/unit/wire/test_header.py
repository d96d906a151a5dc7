from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.errors import WireError
from greenmongo._wire.framer import Framer
from greenmongo._wire.header import (
    DEFAULT_MAX_MESSAGE_SIZE,
    HEADER,
    OP_COMPRESSED,
    OP_MSG,
    OP_REPLY,
)
from tests.support.framing import receive


def heard(raw: bytes, limit: int = DEFAULT_MAX_MESSAGE_SIZE) -> list[tuple[int, int, bytes]]:
    return [(to, code, bytes(payload)) for to, code, payload in receive(Framer(limit), raw)]


@pytest.mark.parametrize("op_code", [OP_REPLY, OP_COMPRESSED, OP_MSG])
def test_a_header_is_four_little_endian_integers(op_code: int) -> None:
    raw = b"\x11\0\0\0\x02\0\0\0\xff\xff\xff\xff" + op_code.to_bytes(4, "little")
    assert heard(raw + b"x") == [(-1, op_code, b"x")]


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 15, DEFAULT_MAX_MESSAGE_SIZE + 1, 2**31 - 1])
def test_an_impossible_length_is_refused_and_named(length: int) -> None:
    with pytest.raises(WireError, match=f"length {length} is not between 16 and 48000000"):
        heard(HEADER.pack(length, 1, 0, OP_MSG))


def test_the_largest_length_is_the_callers() -> None:
    assert heard(HEADER.pack(100, 1, 0, OP_MSG) + bytes(84), 100) == [(0, OP_MSG, bytes(84))]
    with pytest.raises(WireError, match="length 101 is not between 16 and 100"):
        heard(HEADER.pack(101, 1, 0, OP_MSG), 100)


@pytest.mark.parametrize("op_code", [0, 2, -1, 2001, 2010, 0x20505454])
def test_an_unknown_opcode_is_refused_and_named(op_code: int) -> None:
    with pytest.raises(WireError, match=f"unknown opcode {op_code}$"):
        heard(HEADER.pack(16, 1, 0, op_code))


@given(st.binary(max_size=40))
def test_arbitrary_bytes_give_messages_or_a_wire_error(raw: bytes) -> None:
    try:
        messages = heard(raw, 1000)
    except WireError:
        return
    at = 0
    for response_to, op_code, payload in messages:
        length, _, *rest = HEADER.unpack_from(raw, at)
        assert (rest, length) == ([response_to, op_code], 16 + len(payload))
        at += length
