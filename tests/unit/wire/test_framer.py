from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.errors import WireError
from greenmongo._wire.framer import Framer, Message
from greenmongo._wire.header import HEADER, OP_MSG


def message(request_id: int, response_to: int, payload: bytes, op_code: int = OP_MSG) -> bytes:
    return HEADER.pack(16 + len(payload), request_id, response_to, op_code) + payload


PING = message(7, 0, b"ping")
PONG = message(8, 7, b"pong", op_code=1)
EMPTY = message(9, 0, b"")


def read_all(framer: Framer) -> list[Message]:
    seen = []
    while (found := framer.next_message()) is not None:
        seen.append(found)
    return seen


@pytest.mark.parametrize("step", [1, 3, 15, 16, 17, 19, 20, 40, 100], ids="{}-byte reads".format)
def test_messages_survive_any_chunking(step: int) -> None:
    framer, seen = Framer(), []
    stream = PING + PONG + EMPTY
    for at in range(0, len(stream), step):
        framer.receive_data(stream[at : at + step])
        seen += read_all(framer)
    assert seen == [
        Message(7, 0, OP_MSG, b"ping"),
        Message(8, 7, 1, b"pong"),
        Message(9, 0, OP_MSG, b""),
    ]
    assert framer.buffered == 0


@given(st.lists(st.binary(max_size=50), max_size=6), st.data())
def test_any_messages_survive_any_chunking(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(message(index, -index, each) for index, each in enumerate(payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    framer, seen = Framer(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        framer.receive_data(stream[start:end])
        seen += read_all(framer)
    assert seen == [Message(n, -n, OP_MSG, each) for n, each in enumerate(payloads)]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_arbitrary_bytes_give_messages_or_a_wire_error(chunks: list[bytes]) -> None:
    framer = Framer(max_message_size=100)
    for chunk in chunks:
        framer.receive_data(chunk)
        try:
            read_all(framer)
        except WireError:
            return


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_data_may_come_in_any_buffer(kind: type[bytes]) -> None:
    framer = Framer()
    framer.receive_data(kind(PING))
    assert framer.next_message() == Message(7, 0, OP_MSG, b"ping")


def test_a_payload_does_not_share_the_readers_buffer() -> None:
    framer, reads = Framer(), bytearray(PING)
    framer.receive_data(reads)
    found = framer.next_message()
    reads[:] = bytes(len(reads))
    assert found == Message(7, 0, OP_MSG, b"ping")


def test_what_is_missing_is_first_the_header_then_the_payload() -> None:
    framer = Framer()
    assert framer.missing == 16
    framer.receive_data(PING[:10])
    assert (framer.next_message(), framer.missing) == (None, 6)
    framer.receive_data(PING[10:17])
    assert (framer.next_message(), framer.missing) == (None, 3)
    framer.receive_data(PING[17:] + PONG[:1])
    assert framer.missing == 0
    assert framer.next_message() == Message(7, 0, OP_MSG, b"ping")
    assert (framer.missing, framer.buffered) == (15, 1)


def test_a_header_that_cannot_be_right_is_refused_again_and_again() -> None:
    framer = Framer(max_message_size=19)
    framer.receive_data(PING)
    for _ in range(2):
        with pytest.raises(WireError, match="length 20 is not between 16 and 19"):
            framer.next_message()
    framer.receive_data(EMPTY)
    with pytest.raises(WireError, match="length 20"):
        framer.next_message()


def test_messages_before_a_broken_one_are_handed_out() -> None:
    framer = Framer()
    framer.receive_data(PING + b"HTTP/1.1 400 Bad Request")
    assert framer.next_message() == Message(7, 0, OP_MSG, b"ping")
    with pytest.raises(WireError, match="length 1347703880"):
        framer.next_message()


def test_the_limit_may_change_after_the_handshake() -> None:
    framer = Framer(max_message_size=16)
    framer.max_message_size = 20
    framer.receive_data(PING)
    assert framer.next_message() == Message(7, 0, OP_MSG, b"ping")
