from __future__ import annotations

import mmap
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.errors import WireError
from greenmongo._wire.framer import Framer
from greenmongo._wire.header import HEADER, OP_MSG, SMALL_MESSAGE
from tests.support.framing import receive

ROOM = SMALL_MESSAGE - HEADER.size
"""Bytes of payload that fill the buffer of small messages."""


def message(response_to: int, payload: bytes, op_code: int = OP_MSG) -> bytes:
    return HEADER.pack(16 + len(payload), 1, response_to, op_code) + payload


PING = message(0, b"ping")
PONG = message(7, b"pong", op_code=1)
EMPTY = message(9, b"")


def read_all(framer: Framer, data: bytes, step: int | None = None) -> list[tuple[int, int, bytes]]:
    return [(to, code, bytes(payload)) for to, code, payload in receive(framer, data, step)]


def fill(framer: Framer, data: bytes) -> bool:
    """Receive data for which there is room, and take no message."""
    framer.writable()[: len(data)] = data
    return framer.received(len(data))


@pytest.mark.parametrize("step", [1, 3, 15, 16, 17, 19, 20, 40, 100], ids="{}-byte reads".format)
def test_messages_survive_any_chunking(step: int) -> None:
    framer = Framer()
    assert read_all(framer, PING + PONG + EMPTY, step) == [
        (0, OP_MSG, b"ping"),
        (7, 1, b"pong"),
        (9, OP_MSG, b""),
    ]
    assert framer.filled == 0


SIZES = st.sampled_from([0, 1, ROOM - 1, ROOM, ROOM + 1, 50_000]) | st.integers(0, 50)


@given(
    st.lists(SIZES, max_size=6),
    st.sampled_from([7, 1000, SMALL_MESSAGE, None]) | st.integers(1, 100_000),
)
def test_any_messages_survive_any_chunking(sizes: list[int], step: int | None) -> None:
    stream = b"".join(message(n, bytes([n]) * size) for n, size in enumerate(sizes))
    expected = [(n, OP_MSG, bytes([n]) * size) for n, size in enumerate(sizes)]
    assert read_all(Framer(), stream, step) == expected


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_arbitrary_bytes_give_messages_or_a_wire_error(chunks: list[bytes]) -> None:
    framer = Framer(max_message_size=100)
    for chunk in chunks:
        try:
            read_all(framer, chunk)
        except WireError:
            return


def test_a_message_is_whole_with_its_last_byte() -> None:
    framer = Framer()
    assert not fill(framer, PING[:10])
    assert not fill(framer, PING[10:17])
    assert framer.next_message() is None
    assert not framer.has_message
    assert fill(framer, PING[17:] + PONG[:1])
    assert framer.has_message
    assert framer.next_message() is not None
    assert (framer.has_message, framer.filled) == (False, 1)


def test_a_small_message_leaves_its_buffer_to_the_next() -> None:
    framer = Framer()
    fill(framer, PING)
    _, _, payload = framer.next_message() or pytest.fail("no message")
    assert bytes(payload) == b"ping"
    fill(framer, PONG)
    assert bytes(payload) == b"pong"


def test_a_message_followed_by_another_keeps_its_bytes() -> None:
    framer = Framer()
    fill(framer, PING + PONG)
    _, _, payload = framer.next_message() or pytest.fail("no message")
    assert framer.next_message() is not None
    assert bytes(payload) == b"ping"


@pytest.mark.parametrize("size", [ROOM + 1, 100_000, 2_000_000])
def test_a_large_message_has_its_buffer_for_itself(size: int) -> None:
    framer = Framer()
    ((_, _, payload),) = receive(framer, message(0, b"x" * size))
    read_all(framer, PING + message(0, b"y" * size))
    assert bytes(payload) == b"x" * size


def test_a_large_message_is_read_to_where_it_will_stay() -> None:
    framer = Framer()
    data = message(0, bytes(2_000_000))
    fill(framer, data[:1000])
    rest = framer.writable()
    assert len(rest) == len(data) - 1000
    assert isinstance(rest.obj, mmap.mmap)
    fill(framer, data[1000:])
    _, _, payload = framer.next_message() or pytest.fail("no message")
    assert payload.obj is rest.obj


def test_there_is_no_room_while_a_message_fills_the_buffer() -> None:
    framer = Framer()
    assert fill(framer, message(0, bytes(ROOM)))
    assert not framer.writable()
    assert framer.next_message() is not None
    assert len(framer.writable()) == SMALL_MESSAGE


def reply(response_to: int, document: bytes, flags: int = 0) -> bytes:
    return message(response_to, struct.pack("<IB", flags, 0) + document)


OK = b"\x0d\0\0\0\x10ok\0\1\0\0\0\0"


def test_the_document_of_an_ordinary_reply_is_a_copy() -> None:
    framer = Framer()
    fill(framer, reply(7, OK) + reply(8, OK))
    assert framer.next_body(7) == OK
    assert (framer.has_message, framer.filled) == (False, 34)
    assert framer.received(0)
    assert isinstance(framer.next_body(8), bytes)
    assert framer.filled == 0


def test_the_document_of_a_large_ordinary_reply_lies_where_it_came() -> None:
    framer = Framer()
    document = struct.pack("<i", 2_000_000) + bytes(1_999_996)
    data = reply(7, document)
    fill(framer, data[:1000])
    place = framer.writable().obj
    fill(framer, data[1000:])
    body = framer.next_body(7)
    assert isinstance(body, memoryview)
    assert body.obj is place
    assert body == document
    read_all(framer, reply(8, OK))
    assert body == document


@pytest.mark.parametrize(
    "data",
    [
        reply(7, OK)[:-1],
        reply(6, OK),
        reply(7, OK, flags=2),
        message(7, struct.pack("<IB", 0, 0) + OK, op_code=1),
        message(7, struct.pack("<IB", 0, 1) + OK),
        reply(7, OK[:-1] + b"x"),
        reply(7, OK + OK),
        message(7, b""),
    ],
    ids=["part", "other", "flags", "OP_REPLY", "sequence", "no end", "more", "empty"],
)
def test_any_other_message_is_left(data: bytes) -> None:
    framer = Framer()
    is_whole = fill(framer, data)
    assert framer.next_body(7) is None
    assert framer.filled == len(data)
    assert (framer.next_message() is not None) is is_whole


def test_a_header_that_cannot_be_right_is_refused_again_and_again() -> None:
    framer = Framer(max_message_size=19)
    with pytest.raises(WireError, match="length 20 is not between 16 and 19"):
        fill(framer, PING)
    with pytest.raises(WireError, match="length 20 is not between 16 and 19"):
        framer.next_message()
    with pytest.raises(WireError, match="length 20"):
        fill(framer, EMPTY)


def test_messages_before_a_broken_one_are_handed_out() -> None:
    framer = Framer()
    fill(framer, PING + b"HTTP/1.1 400 Bad Request")
    assert framer.next_message() is not None
    with pytest.raises(WireError, match="length 1347703880"):
        framer.next_message()


def test_a_message_for_which_there_is_no_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_size: int) -> memoryview:
        raise OSError(12, "full")

    framer = Framer()
    monkeypatch.setattr("greenmongo._wire.framer.new_buffer", refuse)
    for _ in range(2):
        with pytest.raises(MemoryError, match=r"no memory for 100016 bytes: .*full"):
            fill(framer, message(0, bytes(100_000))[:1000])


def test_the_limit_may_change_after_the_handshake() -> None:
    framer = Framer(max_message_size=16)
    framer.max_message_size = 20
    assert read_all(framer, PING) == [(0, OP_MSG, b"ping")]
