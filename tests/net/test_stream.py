from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event
from gevent.hub import get_hub
from pymongo.errors import AutoReconnect, NetworkTimeout, ProtocolError

from greenmongo._hub.thread import HubThread
from greenmongo._net.connecting import open_stream
from greenmongo._net.stream import Stream
from greenmongo._wire.header import SMALL_MESSAGE
from tests.support.fix_scripted import ScriptedServer
from tests.support.hubside import OP_MSG, framed, hubside, op_msg, open_stream_pair, turn, until
from tests.support.native import listen

pytestmark = pytest.mark.usefixtures("contention")


@pytest.fixture
def silent_address() -> Iterator[tuple[str, int]]:
    """An address where somebody listens and nobody ever says anything."""
    listener = listen(("127.0.0.1", 0))
    yield listener.getsockname()
    listener.close()


def body(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + b"x" * (size % 256)


@hubside
def test_a_message_is_read_whole(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(framed(OP_MSG, b"payload", 5))
        response_to, op_code, payload = stream.read_message(5.0)
        assert (response_to, op_code, bytes(payload)) == (5, OP_MSG, b"payload")


@hubside
def test_a_message_that_comes_before_anybody_reads_is_kept(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(framed(OP_MSG, b"early", 5))
        until(stream.has_input)
        assert bytes(stream.read_message(5.0)[2]) == b"early"
        assert not stream.has_input()


@hubside
def test_a_message_may_come_byte_by_byte(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        reading = gevent.spawn(lambda: bytes(stream.read_message(5.0)[2]))
        message = framed(OP_MSG, body(60), 5)
        for at in range(len(message)):
            assert not reading.ready()
            peer.send(message[at : at + 1])
            turn()
        assert reading.get(timeout=5) == body(60)


@hubside
def test_messages_that_come_together_are_read_one_by_one(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        whole = b"".join(framed(OP_MSG, body(n), n) for n in (10, 0, 300))
        peer.send(whole + framed(OP_MSG, body(20), 20)[:18])
        read = [stream.read_message(5.0) for _ in range(3)]
        assert [(each[0], bytes(each[2])) for each in read] == [(n, body(n)) for n in (10, 0, 300)]
        peer.send(framed(OP_MSG, body(20), 20)[18:])
        assert bytes(stream.read_message(5.0)[2]) == body(20)


@hubside
@pytest.mark.parametrize("size", [16_384 - 17, 16_384 - 16, 16_384 - 15, 65_536, 3_000_000])
def test_a_message_may_be_of_any_size(hub_thread: HubThread, size: int) -> None:
    with open_stream_pair() as (stream, peer):
        message = framed(OP_MSG, body(size), 5) + framed(OP_MSG, b"next", 6)
        sending = gevent.spawn(peer.send_all, message)
        assert bytes(stream.read_message(5.0)[2]) == body(size)
        assert bytes(stream.read_message(5.0)[2]) == b"next"
        sending.get(timeout=5)
        assert len(stream.framer._view) <= 16_384


@hubside
@pytest.mark.parametrize("size", [SMALL_MESSAGE + 1, 3_000_000])
def test_nothing_overwrites_a_large_message(hub_thread: HubThread, size: int) -> None:
    with open_stream_pair() as (stream, peer):
        sending = gevent.spawn(peer.send_all, framed(OP_MSG, body(size), 5))
        kept = stream.read_message(5.0)[2]
        sending.get(timeout=5)
        for _ in range(3):
            peer.send(framed(OP_MSG, b"z" * 10_000, 6))
            stream.read_message(5.0)
        assert bytes(kept) == body(size)


@hubside
@pytest.mark.parametrize("error", [MemoryError("full"), OSError(12, "full")])
def test_a_message_too_large_for_the_memory_left_breaks_the_stream(
    hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_size: int) -> memoryview:
        raise error

    with open_stream_pair() as (stream, peer):
        monkeypatch.setattr("greenmongo._wire.framer.new_buffer", refuse)
        peer.send(framed(OP_MSG, body(100_000), 5)[:1000])
        with pytest.raises(AutoReconnect, match=r"no memory for 100016 bytes: .*full"):
            stream.read_message(5.0)
        assert not stream.is_open


@hubside
def test_a_message_that_fills_the_buffer_waits_safely_for_its_reader(
    hub_thread: HubThread,
) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(framed(OP_MSG, body(16_384 - 16), 5))
        until(lambda: stream.framer.filled == 16_384)
        peer.send(framed(OP_MSG, b"next", 6))
        turn()
        assert bytes(stream.read_message(5.0)[2]) == body(16_384 - 16)
        assert bytes(stream.read_message(5.0)[2]) == b"next"


@hubside
def test_the_end_while_somebody_waits_is_told(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        reading = gevent.spawn(stream.read_message, 5.0)
        turn()
        peer.send(op_msg(1)[:7])
        peer.close()
        with pytest.raises(AutoReconnect, match=r"^peer:27017: .*closed"):
            reading.get(timeout=5)
        assert not stream.is_open
        with pytest.raises(AutoReconnect):
            stream.read_message(5.0)
        with pytest.raises(AutoReconnect):
            stream.send(b"x", 5.0)


@hubside
def test_a_message_before_the_end_is_read_first(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(framed(OP_MSG, b"last words", 5))
        peer.close()
        until(lambda: not stream.is_open)
        assert bytes(stream.read_message(5.0)[2]) == b"last words"
        with pytest.raises(AutoReconnect):
            stream.read_message(5.0)


@hubside
@pytest.mark.parametrize("what", ["end", "message"])
def test_an_idle_stream_notices_what_nobody_asked_for(hub_thread: HubThread, what: str) -> None:
    with open_stream_pair() as (stream, peer):
        broken = Event()
        stream.on_break = broken.set
        if what == "end":
            peer.close()
        else:
            peer.send(op_msg(1))
        assert broken.wait(5.0)
        assert stream.is_open == (what == "message")


@hubside
def test_a_message_that_is_there_already_is_no_break(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        broken = Event()
        stream.on_break = broken.set
        stream._was_late = True  # As after a send for which another thread had the GIL.
        peer.send(op_msg(1))
        assert stream.read_message(5.0)[0] == 1
        assert not broken.is_set()


@hubside
def test_a_late_message_may_still_come(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(op_msg(1)[:20])
        with pytest.raises(NetworkTimeout, match=r"timed out after 0\.010 s"):
            stream.read_message(0.01)
        with pytest.raises(NetworkTimeout):
            stream.read_message(0.0)
        assert stream.is_open
        peer.send(op_msg(1)[20:])
        assert stream.read_message(5.0)[0] == 1


@hubside
def test_the_time_limit_of_one_wait_is_not_that_of_the_next(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        # As one of a thousand: the loop does not come to it before the time is over.
        stream._watcher.stop()

        def read_two() -> list[int]:
            first = stream.read_message(0.05)[0]
            stream._watcher.start(stream._on_readable)
            return [first, stream.read_message(5.0)[0]]

        reading = gevent.spawn(read_two)
        turn()
        peer.send(op_msg(1))
        until(lambda: stream._waits == 2)
        turn()
        peer.send(op_msg(2))
        assert reading.get() == [1, 2]


@hubside
def test_a_reader_that_is_killed_disturbs_nothing(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        reading = gevent.spawn(stream.read_message, 5.0)
        turn()
        reading.kill()
        assert stream.is_open
        peer.send(op_msg(1))
        assert stream.read_message(5.0)[0] == 1


@hubside
@pytest.mark.parametrize("length", [0, 15, -1, 48_000_001, 2**31 - 1])
def test_a_senseless_length_is_the_peers_fault(hub_thread: HubThread, length: int) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(framed(OP_MSG, b"", 1, length=length))
        with pytest.raises(ProtocolError, match="peer:27017"):
            stream.read_message(5.0)
        assert not stream.is_open
        assert peer.is_hung_up()


@hubside
def test_a_senseless_length_after_a_good_message_spoils_only_what_follows(
    hub_thread: HubThread,
) -> None:
    with open_stream_pair() as (stream, peer):
        peer.send(op_msg(1) + framed(OP_MSG, b"", 2, length=3))
        assert stream.read_message(5.0)[0] == 1
        with pytest.raises(ProtocolError):
            stream.read_message(5.0)


@hubside
def test_closing_interrupts_the_reader(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        reading = gevent.spawn(stream.read_message, 5.0)
        turn()
        stream.close()
        stream.close()
        with pytest.raises(AutoReconnect, match="connection closed"):
            reading.get(timeout=5)
        assert peer.is_hung_up()
        assert stream.fileno == -1


@hubside
def test_closing_leaves_a_reader_alone_that_waits_for_something_else_by_then(
    hub_thread: HubThread,
) -> None:
    with open_stream_pair() as (stream, _):

        def read_then_wait() -> str:
            with pytest.raises(NetworkTimeout):
                stream.read_message(0.001)
            gevent.sleep(0.005)
            return "undisturbed"

        reading = gevent.spawn(read_then_wait)
        turn()
        stream.close()
        assert reading.get(timeout=5) == "undisturbed"


@hubside
def test_what_does_not_fit_is_sent_as_the_peer_reads(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        data = body(4_000_000)
        sending = gevent.spawn(stream.send, data, 5.0)
        assert peer.receive(len(data)) == data
        sending.get(timeout=5)
        peer.send(op_msg(1))
        assert stream.read_message(5.0)[0] == 1


@hubside
def test_a_reply_that_comes_while_sending_is_not_lost(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        data = body(4_000_000)
        sending = gevent.spawn(stream.send, data, 5.0)
        turn()
        peer.send(op_msg(1))
        assert peer.receive(len(data)) == data
        sending.get(timeout=5)
        assert stream.read_message(5.0)[0] == 1


@hubside
def test_a_peer_that_floods_us_while_we_send_has_to_wait(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        sending = gevent.spawn(stream.send, body(4_000_000), 5.0)
        flooding = gevent.spawn(peer.send_all, op_msg(1, {"x": "y" * 1000}) * 4000)
        turn()
        for _ in range(50):
            turn()
            assert len(stream.framer._view) <= 16_384
        assert len(peer.receive(4_000_000)) == 4_000_000
        sending.get(timeout=5)
        for _ in range(4000):
            assert stream.read_message(5.0)[0] == 1
        flooding.get(timeout=5)


@hubside
def test_a_peer_that_does_not_read_is_given_up(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, _):
        with pytest.raises(NetworkTimeout, match="while sending"):
            stream.send(body(4_000_000), 0.02)
        assert not stream.is_open


@hubside
def test_a_sender_that_is_killed_leaves_no_half_message_behind(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, _):
        sending = gevent.spawn(stream.send, body(4_000_000), 5.0)
        turn()
        sending.kill()
        assert not stream.is_open


@hubside
def test_a_peer_that_leaves_while_we_send_is_an_error(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, peer):
        sending = gevent.spawn(stream.send, body(4_000_000), 5.0)
        turn()
        peer.close()
        with pytest.raises(AutoReconnect, match="peer:27017"):
            sending.get(timeout=5)
        assert not stream.is_open


@hubside
def test_closing_interrupts_the_sender(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, _):
        sending = gevent.spawn(stream.send, body(4_000_000), 5.0)
        turn()
        stream.close()
        with pytest.raises(AutoReconnect):
            sending.get(timeout=5)


@hubside
def test_a_stream_tells_what_it_is(hub_thread: HubThread) -> None:
    with open_stream_pair() as (stream, _):
        assert repr(stream) == "<Stream to peer:27017 open>"
        stream.close()
        assert repr(stream) == "<Stream to peer:27017 broken>"


# -- connecting ------------------------------------------------------------------------------------


def connect(
    *addresses: tuple[str, int], timeout: float = 5.0, tls: ssl.SSLContext | None = None
) -> Stream:
    candidates = [(int(socket.AF_INET), address) for address in addresses]
    return open_stream(get_hub(), addresses[0], candidates, timeout=timeout, tls=tls)


@pytest.fixture
def nobody() -> tuple[str, int]:
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address: tuple[str, int] = sock.getsockname()
    return address


@hubside
def test_a_refused_connection_is_an_error_that_names_the_server(
    hub_thread: HubThread, nobody: tuple[str, int]
) -> None:
    with pytest.raises(AutoReconnect, match=f"127.0.0.1:{nobody[1]}: .*refused"):
        connect(nobody)


@hubside
def test_the_next_candidate_is_tried(
    hub_thread: HubThread, nobody: tuple[str, int], scripted_server: ScriptedServer
) -> None:
    stream = connect(nobody, scripted_server.address)
    assert stream.is_open
    stream.close()


@hubside
def test_a_server_silent_about_encryption_is_given_up(
    hub_thread: HubThread, silent_address: tuple[str, int]
) -> None:
    with pytest.raises(NetworkTimeout, match="while connecting"):
        connect(silent_address, timeout=0.05, tls=ssl.create_default_context())


@hubside
def test_small_messages_are_sent_at_once(
    hub_thread: HubThread, scripted_server: ScriptedServer
) -> None:
    stream = connect(scripted_server.address)
    with socket.socket(fileno=socket.dup(stream.fileno)) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    stream.close()


@hubside
def test_a_reset_is_an_error(hub_thread: HubThread) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stream = connect(listener.getsockname())
    accepted, _ = listener.accept()
    reading = gevent.spawn(stream.read_message, 5.0)
    turn()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    accepted.close()
    with pytest.raises(AutoReconnect, match="reset"):
        reading.get(timeout=5)
    listener.close()
