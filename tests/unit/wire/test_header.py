from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.errors import WireError
from greenmongo._wire.header import (
    DEFAULT_MAX_MESSAGE_SIZE,
    HEADER,
    OP_COMPRESSED,
    OP_MSG,
    OP_REPLY,
    Header,
    parse_header,
)


@pytest.mark.parametrize("op_code", [OP_REPLY, OP_COMPRESSED, OP_MSG])
def test_a_header_is_four_little_endian_integers(op_code: int) -> None:
    raw = b"\x10\0\0\0\x02\0\0\0\xff\xff\xff\xff" + op_code.to_bytes(4, "little")
    assert parse_header(raw) == Header(16, 2, -1, op_code)


def test_a_header_is_found_at_its_offset() -> None:
    raw = b"before" + HEADER.pack(20, 1, 0, OP_MSG) + b"after"
    assert parse_header(memoryview(raw), 6) == Header(20, 1, 0, OP_MSG)


@pytest.mark.parametrize(
    ("raw", "offset", "got"), [(b"", 0, 0), (bytes(15), 0, 15), (bytes(16), 1, 15), (b"", 9, 0)]
)
def test_a_header_cut_short_is_refused(raw: bytes, offset: int, got: int) -> None:
    with pytest.raises(WireError, match=f"needs 16 bytes, got {got}$"):
        parse_header(raw, offset)


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 15, DEFAULT_MAX_MESSAGE_SIZE + 1, 2**31 - 1])
def test_an_impossible_length_is_refused_and_named(length: int) -> None:
    with pytest.raises(WireError, match=f"length {length} is not between 16 and 48000000"):
        parse_header(HEADER.pack(length, 1, 0, OP_MSG))


def test_the_largest_length_is_the_callers() -> None:
    assert parse_header(HEADER.pack(100, 1, 0, OP_MSG), max_message_size=100).length == 100
    with pytest.raises(WireError, match="length 101 is not between 16 and 100"):
        parse_header(HEADER.pack(101, 1, 0, OP_MSG), max_message_size=100)


@pytest.mark.parametrize("op_code", [0, 2, -1, 2001, 2010, 0x20505454])
def test_an_unknown_opcode_is_refused_and_named(op_code: int) -> None:
    with pytest.raises(WireError, match=f"unknown opcode {op_code}$"):
        parse_header(HEADER.pack(16, 1, 0, op_code))


@given(st.binary(max_size=40), st.integers(0, 40))
def test_arbitrary_bytes_give_a_header_or_a_wire_error(raw: bytes, offset: int) -> None:
    try:
        header = parse_header(raw, offset, max_message_size=1000)
    except WireError:
        return
    assert HEADER.pack(*header) == raw[offset : offset + 16]
    assert 16 <= header.length <= 1000
