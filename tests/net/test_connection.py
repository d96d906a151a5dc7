from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Generator

import bson
import gevent
import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout, ProtocolError

from greenmongo._core.types import Document
from greenmongo._hub.thread import HubThread
from greenmongo._net.connection import Connection, next_request_id
from greenmongo._wire.op_msg import encode_op_msg
from tests.support.hubside import (
    OP_MSG,
    Peer,
    framed,
    hubside,
    op_msg,
    open_connection,
    turn,
    until,
)

OP_REPLY, OP_COMPRESSED = 1, 2012
PING: Document = {"ping": 1}


def exchange(connection: Connection, timeout: float | None = None) -> bytes | memoryview:
    request_id = next_request_id()
    message = encode_op_msg(request_id, bson.encode({**PING, "$db": "admin"}))
    return connection.exchange(message, request_id, timeout=timeout)


@hubside
def test_an_exchange_sends_a_command_and_returns_the_body_of_its_reply(
    hub_thread: HubThread,
) -> None:
    with open_connection() as (connection, peer):
        answering = gevent.spawn(peer.answer, {"ok": 1.0, "x": 5})
        assert bson.decode(exchange(connection)) == {"ok": 1.0, "x": 5}
        answering.get(timeout=5)
        assert connection.is_usable


@hubside
def test_a_command_of_the_drivers_own_returns_errors_as_they_are(hub_thread: HubThread) -> None:
    with open_connection() as (connection, peer):
        gevent.spawn(peer.answer, {"ok": 0.0, "code": 59})
        assert connection.command(PING) == {"ok": 0.0, "code": 59}


class SlowToInflate:
    """Takes the place of `zlib.decompressobj`, and lets the other greenlets run before it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.others_ran = threading.Event()
        self.calls: list[bool] = []
        self._make = zlib.decompressobj
        monkeypatch.setattr(zlib, "decompressobj", self._begin)

    def _begin(self) -> object:
        self.calls.append(self.others_ran.wait(10))
        return self._make()


def answer_with_a_large_compressed_reply(peer: Peer) -> None:
    plain = op_msg(0, {"ok": 1.0, "text": "x" * 300_000})[16:]
    prefix = struct.pack("<iiB", OP_MSG, len(plain), 2)
    peer.send(framed(OP_COMPRESSED, prefix + zlib.compress(plain), peer.receive_request()))


@hubside
def test_other_greenlets_run_while_a_large_reply_is_inflated(
    hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_connection() as (connection, peer):
        slow = SlowToInflate(monkeypatch)
        gevent.spawn(answer_with_a_large_compressed_reply, peer)
        waiting = gevent.spawn(exchange, connection)
        until(lambda: connection._received is not None)
        slow.others_ran.set()
        assert bson.decode(waiting.get(timeout=15))["text"] == "x" * 300_000
        assert slow.calls == [True]
        assert connection.is_usable


@hubside
def test_a_caller_who_leaves_while_its_reply_is_inflated_costs_no_connection(
    hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_connection() as (connection, peer):
        slow = SlowToInflate(monkeypatch)
        gevent.spawn(answer_with_a_large_compressed_reply, peer)
        leaving = gevent.spawn(exchange, connection)
        until(lambda: connection.stream.framer.filled == 0 and connection._received is not None)
        leaving.kill()
        slow.others_ran.set()
        assert not connection.is_usable
        connection.finish(timeout=5)
        assert connection.is_usable
        gevent.spawn(peer.answer, {"ok": 1.0, "x": 5})
        assert bson.decode(exchange(connection)) == {"ok": 1.0, "x": 5}


def test_request_ids_are_positive_and_differ() -> None:
    ids = [next_request_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(0 < each < 2**31 for each in ids)


@hubside
def test_a_reply_may_be_an_old_fashioned_one(hub_thread: HubThread) -> None:
    def answer(peer: Peer) -> None:
        body = bson.encode({"ok": 1.0, "helloOk": True})
        payload = struct.pack("<iqii", 8, 0, 0, 1) + body
        peer.send(framed(OP_REPLY, payload, peer.receive_request()))

    with open_connection() as (connection, peer):
        gevent.spawn(answer, peer)
        assert connection.command({"isMaster": 1}) == {"ok": 1.0, "helloOk": True}


@hubside
def test_a_compressed_reply_is_read(hub_thread: HubThread) -> None:
    def answer(peer: Peer) -> None:
        request_id = peer.receive_request()
        plain = op_msg(request_id, {"ok": 1.0, "x": "y" * 100})[16:]
        payload = struct.pack("<iiB", OP_MSG, len(plain), 2) + zlib.compress(plain)
        peer.send(framed(OP_COMPRESSED, payload, request_id))

    with open_connection() as (connection, peer):
        gevent.spawn(answer, peer)
        assert connection.command(PING)["x"] == "y" * 100


def with_two_documents(request_id: int) -> bytes:
    payload = struct.pack("<iqii", 8, 0, 0, 2) + 2 * bson.encode({"ok": 1.0})
    return framed(OP_REPLY, payload, request_id)


def doubly_compressed(request_id: int) -> bytes:
    inner = struct.pack("<iiB", OP_MSG, 1, 0) + b"x"
    payload = struct.pack("<iiB", OP_COMPRESSED, len(inner), 0) + inner
    return framed(OP_COMPRESSED, payload, request_id)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (lambda n: op_msg(n + 1), "got the reply to request"),
        (lambda n: op_msg(n, flags=2), "more replies than were asked for"),
        (lambda n: op_msg(n, flags=1 << 4), "peer:27017"),
        (lambda n: framed(2010, b"", n), "opcode 2010"),
        (lambda n: framed(OP_MSG, b"", n), "peer:27017"),
        (lambda n: framed(OP_MSG, struct.pack("<IB", 0, 0) + b"\x06\0\0\0\x01\0", n), "peer:27017"),
        (lambda n: framed(OP_COMPRESSED, struct.pack("<iiB", OP_MSG, 9, 2) + b"no", n), "peer"),
        (with_two_documents, "2 documents"),
        (doubly_compressed, "peer:27017"),
    ],
)
@hubside
def test_a_senseless_reply_is_the_peers_fault_and_ends_the_connection(
    hub_thread: HubThread, reply: Callable[[int], bytes], why: str
) -> None:
    with open_connection() as (connection, peer):
        gevent.spawn(lambda: peer.send(reply(peer.receive_request())))
        with pytest.raises(ProtocolError, match=why):
            connection.command(PING)
        assert not connection.is_usable
        assert peer.is_hung_up()


@hubside
def test_a_late_reply_leaves_the_connection_unusable_until_it_is_finished(
    hub_thread: HubThread,
) -> None:
    with open_connection() as (connection, peer):
        with pytest.raises(NetworkTimeout):
            exchange(connection, timeout=0.01)
        assert not connection.is_usable
        assert "pending" in repr(connection)
        with pytest.raises(NetworkTimeout):
            connection.finish(0.01)
        peer.answer({"late": True})
        connection.finish(5.0)
        assert connection.is_usable
        gevent.spawn(peer.answer, {"ok": 1.0, "x": 2})
        assert connection.command(PING)["x"] == 2


@hubside
def test_a_caller_thrown_out_of_its_wait_leaves_the_reply_outstanding(
    hub_thread: HubThread,
) -> None:
    with open_connection() as (connection, peer):
        calling = gevent.spawn(exchange, connection)
        turn()
        calling.kill()
        assert connection.pending is not None
        peer.answer()
        until(connection.stream.has_input)
        connection.finish(5.0)
        assert connection.is_usable


@hubside
def test_finishing_nothing_is_nothing(hub_thread: HubThread) -> None:
    with open_connection() as (connection, _):
        connection.finish(0.0)
        assert connection.is_usable


@hubside
def test_a_connection_waits_no_longer_than_its_own_limit(hub_thread: HubThread) -> None:
    with open_connection(timeout=0.01) as (connection, _), pytest.raises(NetworkTimeout):
        exchange(connection)


@hubside
def test_a_message_without_reply_leaves_the_connection_usable(hub_thread: HubThread) -> None:
    with open_connection() as (connection, peer):
        connection.send_only(op_msg(0, {"insert": "c"}, flags=2))
        assert connection.is_usable
        assert peer.receive_request()


@hubside
def test_a_conversation_is_driven_to_its_conclusion(hub_thread: HubThread) -> None:
    def conversation() -> Generator[Document, Document, int]:
        first = yield {"ping": 1}
        second = yield {"ping": 2}
        return int(first["n"]) + int(second["n"])

    def answer(peer: Peer) -> None:
        for n in (30, 12):
            peer.answer({"ok": 1.0, "n": n})

    with open_connection() as (connection, peer):
        gevent.spawn(answer, peer)
        assert connection.converse(conversation(), db="admin") == 42


@hubside
def test_a_conversation_learns_what_went_wrong(hub_thread: HubThread) -> None:
    def conversation() -> Generator[Document, Document, None]:
        try:
            yield PING
        except AutoReconnect as error:
            raise LookupError from error

    with open_connection() as (connection, peer):
        peer.close()
        with pytest.raises(LookupError):
            connection.converse(conversation(), db="admin")


@hubside
def test_a_connection_tells_what_it_is(hub_thread: HubThread) -> None:
    with open_connection() as (connection, _):
        assert repr(connection) == "<Connection #1 to peer:27017 ready>"
        connection.close()
        assert repr(connection) == "<Connection #1 to peer:27017 broken>"
