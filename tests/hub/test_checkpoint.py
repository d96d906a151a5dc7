from __future__ import annotations

import socket

import gevent
from gevent.socket import wait_read

from greenmongo._hub.checkpoint import checkpoint
from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import in_hub, start


def meanwhile() -> list[str]:
    """Pass checkpoints while another greenlet waits for I/O; return who ran, in order."""
    ran: list[str] = []
    reader, writer = socket.socketpair()
    with reader, writer:

        def other() -> None:
            wait_read(reader.fileno())
            ran.append("other")

        greenlet = gevent.spawn(other)
        gevent.sleep(0.001)
        writer.send(b"x")
        # Both wake-ups may fall into one pass of the loop, in either order.
        for _ in range(2):
            checkpoint()
        ran.append("this")
        greenlet.join()
    return ran


def test_others_have_a_turn_even_if_they_wait_for_io(hub_thread: HubThread) -> None:
    assert start(hub_thread.call, meanwhile).result(10) == ["other", "this"]


def test_a_callers_own_hub_goes_on_as_well() -> None:
    assert in_hub(meanwhile) == ["other", "this"]


def test_in_a_thread_without_a_hub_it_returns_at_once() -> None:
    start(checkpoint).result(10)


def test_a_callback_of_a_hub_does_not_wait(hub_thread: HubThread) -> None:
    done: list[None] = []

    def callback() -> None:
        checkpoint()
        done.append(None)

    hub_thread.submit(callback)
    start(hub_thread.call, int).result(10)
    assert done
