from __future__ import annotations

import struct
from collections.abc import Callable

import bson
import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout, ProtocolError

from greenmongo._hub.thread import HubThread
from greenmongo._net.hello_stream import HelloStream
from greenmongo._wire.op_msg import EXHAUST_ALLOWED, MORE_TO_COME
from tests.support.hubside import Peer, framed, hubside, op_msg, open_connection, turn

HELLO = {"hello": 1}


def receive(peer: Peer) -> tuple[int, int, dict[str, object]]:
    """Wait for a request; return its id, flags and document."""
    length, request_id, _, _ = struct.unpack("<iiii", peer.receive(16))
    payload = peer.receive(length - 16)
    return request_id, struct.unpack_from("<I", payload)[0], bson.decode(payload[5:])


@hubside
def test_one_question_has_many_answers(hub_thread: HubThread) -> None:
    with open_connection() as (connection, peer):
        hellos = HelloStream(connection)
        with pytest.raises(NetworkTimeout):
            hellos.ask(HELLO, 0.0)
        request_id, flags, document = receive(peer)
        assert flags == EXHAUST_ALLOWED
        assert document == {**HELLO, "$db": "admin"}
        first = op_msg(request_id, {"n": 1}, MORE_TO_COME)
        peer.send(first + op_msg(77, {"n": 2}, MORE_TO_COME))
        peer.send(op_msg(77, {"n": 3}))
        turn()
        replies = []
        while hellos.has_more:
            replies.append(hellos.read(5.0)["n"])
        assert replies == [1, 2, 3]
        assert connection.is_usable


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda request_id: op_msg(request_id + 1), "to request"),
        (lambda request_id: framed(1, b"\0" * 25, request_id), "opcode 1"),
        (lambda request_id: op_msg(request_id, flags=1 << 5), "flag"),
        (lambda request_id: framed(2013, b"\0" * 5 + b"\6\0\0\0\7\0", request_id), ":27017"),
    ],
    ids=["another request", "opcode", "flags", "bson"],
)
@hubside
def test_an_answer_without_sense_ends_the_connection(
    hub_thread: HubThread, answer: Callable[[int], bytes], words: str
) -> None:
    with open_connection() as (connection, peer):
        hellos = HelloStream(connection)
        with pytest.raises(NetworkTimeout):
            hellos.ask(HELLO, 0.0)
        # The id of the only request so far, which `read` would not compare.
        request_id = receive(peer)[0]
        peer.send(answer(request_id))
        with pytest.raises(ProtocolError, match=words):
            hellos._read(5.0, request_id)
        assert not connection.stream.is_open


@hubside
def test_an_answer_after_the_last_one_ends_the_connection(hub_thread: HubThread) -> None:
    with open_connection() as (connection, peer):
        hellos = HelloStream(connection)
        with pytest.raises(NetworkTimeout):
            hellos.ask(HELLO, 0.0)
        request_id = receive(peer)[0]
        peer.send(op_msg(request_id) + op_msg(77))
        turn()
        assert hellos.read(5.0) == {"ok": 1.0}
        assert not connection.stream.is_open


@hubside
def test_a_server_that_hangs_up_between_two_answers_is_noticed(hub_thread: HubThread) -> None:
    with open_connection() as (connection, peer):
        hellos = HelloStream(connection)
        with pytest.raises(NetworkTimeout):
            hellos.ask(HELLO, 0.0)
        peer.send(op_msg(receive(peer)[0], flags=MORE_TO_COME))
        hellos.read(5.0)
        peer.close()
        turn()
        assert hellos.has_more
        with pytest.raises(AutoReconnect):
            hellos.read(5.0)
