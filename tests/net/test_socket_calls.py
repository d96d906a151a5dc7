from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from greenmongo._net.socket_calls import Contention, receive_some, send_some
from tests.support.fix_hub import run_script


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Provide the two ends of a connection."""
    one, other = socket.socketpair()
    one.setblocking(False)
    with one, other:
        yield one, other


def sends_that_keep(contention: Contention) -> int:
    """Count how many sends keep the GIL until one has to try."""
    count = 0
    while contention.is_on:
        contention.record_kept_send()
        count += 1
    return count


def send_for_ever(sock: socket.socket) -> None:
    """Send until the system takes no more."""
    while True:
        send_some(sock, bytes(10_000))


def test_a_late_send_has_the_next_ones_keep_the_gil() -> None:
    contention = Contention()
    assert not contention.is_on
    contention.record_late_send()
    assert contention.is_on
    assert sends_that_keep(contention) == 50


def test_one_of_many_tries_again() -> None:
    contention = Contention()
    for _ in range(3):
        contention.record_late_send()
        assert sends_that_keep(contention) == 50


@pytest.mark.usefixtures("contention")
def test_what_is_sent_is_received(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    assert send_some(one, b"hel\0lo") == 6
    buffer = memoryview(bytearray(b"." * 10))
    assert receive_some(other, buffer[2:]) == 6
    assert bytes(buffer) == b"..hel\0lo.."


@pytest.mark.usefixtures("contention")
def test_the_errors_are_those_of_a_socket(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    buffer = memoryview(bytearray(10))
    with pytest.raises(BlockingIOError):
        receive_some(one, buffer)
    with pytest.raises(BlockingIOError):
        send_for_ever(one)
    other.close()
    with pytest.raises(BrokenPipeError):
        send_some(one, b"x")


@pytest.mark.usefixtures("contention")
def test_the_end_is_nothing_received(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    other.close()
    assert receive_some(one, memoryview(bytearray(10))) == 0


WITHOUT_CTYPES = """
import socket
import sys
sys.modules["ctypes"] = None
from greenmongo._net.socket_calls import CONTENTION, receive_some, send_some

one, other = socket.socketpair()
CONTENTION.record_late_send()
buffer = memoryview(bytearray(10))
assert send_some(one, b"hello") == receive_some(other, buffer) == 5
print(bytes(buffer[:5]), CONTENTION.is_on)
"""


def test_without_ctypes_the_gil_is_given_away() -> None:
    result = run_script(WITHOUT_CTYPES)
    assert (result.stdout, result.stderr) == ("b'hello' False\n", "")
