"""FaultProxy: a TCP proxy whose wires a test can stall, cut, thin out and restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.support.native import (
    Address,
    NativeSocket,
    NativeThread,
    Signal,
    accept,
    connect,
    disconnect,
    listen,
    new_lock,
)

__all__ = ["FaultProxy", "fault_proxy"]


class _Link:
    """One proxied connection: two sockets, closed once both directions have ended."""

    def __init__(self, client: NativeSocket, server: NativeSocket) -> None:
        self.sockets = (client, server)
        self.is_open = True
        self._lock = new_lock()
        self._pumping = 2

    def cut(self, *, reset: bool = False) -> None:
        """End both sides."""
        with self._lock:
            if self.is_open:
                self.is_open = False
                for each in self.sockets:
                    disconnect(each, reset=reset)

    def done(self) -> None:
        """Note that a direction has ended."""
        self.cut()
        with self._lock:
            self._pumping -= 1
            if not self._pumping:
                for each in self.sockets:
                    each.close()


class FaultProxy:
    """Forwards every connection to `target`, until told to do it badly.

    Attributes:
        address: where the proxy listens.
        accepted: connections taken so far.
    """

    def __init__(self, target: Address) -> None:
        self.target = target
        self.accepted = 0
        self._links: list[_Link] = []
        self._threads: list[NativeThread] = []
        self._stalled = {"up": False, "down": False}
        self._drip: tuple[int, float] | None = None
        self._held = 0
        self._lock = new_lock()
        self._changed = Signal()
        self._listener: NativeSocket | None = listen(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()
        self._acceptor = NativeThread(self._accept)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The proxy's address as `host:port`."""
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def uri(self) -> str:
        """A connection string for what is behind the proxy, through the proxy."""
        return f"mongodb://{self.host}/?directConnection=true"

    @property
    def open_links(self) -> int:
        """Connections that have not ended."""
        return sum(link.is_open for link in list(self._links))

    @property
    def held(self) -> int:
        """Directions in which bytes are waiting because of a stall."""
        return self._held

    def stall(self, *, up: bool = True, down: bool = True) -> None:
        """Hold back what clients send (up) and what the target sends (down), losing nothing."""
        self._stalled = {"up": up, "down": down}
        self._changed.notify()

    def drip(self, size: int = 1, pause: float = 0.001) -> None:
        """Forward `size` bytes at a time and wait `pause` seconds after each."""
        self._drip = (size, pause)

    def cut(self, *, reset: bool = False) -> None:
        """End all connections that are open now; new ones are welcome."""
        for link in list(self._links):
            link.cut(reset=reset)
        self._changed.notify()

    def refuse(self) -> None:
        """Stop listening: whoever connects from now on is refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            disconnect(listener)
            self._acceptor.join()
            listener.close()

    def restore(self) -> None:
        """Forward everything at once again, also what was held back, and listen."""
        self._drip = None
        self.stall(up=False, down=False)
        if self._listener is None:
            self._listener = listen(self.address)
            self._acceptor = NativeThread(self._accept)

    def wait_for(self, condition: Callable[[], object], timeout: float = 15.0) -> None:
        """Wait until `condition`, which may look at anything of this proxy, is true.

        Raises:
            TimeoutError: it did not become true.
        """
        self._changed.wait_for(condition, timeout)

    def stop(self) -> None:
        """End everything."""
        self.refuse()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while (listener := self._listener) is not None:
            accepted = accept(listener)
            if accepted is None:
                continue
            client = accepted[0]
            self.accepted += 1
            try:
                server = connect(self.target)
            except OSError:
                client.close()  # the target refuses, so this connection ends as well
                self._changed.notify()
                continue
            link = _Link(client, server)
            self._links.append(link)
            for source, sink, way in ((client, server, "up"), (server, client, "down")):
                self._threads.append(NativeThread(partial(self._pump, link, source, sink, way)))
            self._changed.notify()

    def _pump(self, link: _Link, source: NativeSocket, sink: NativeSocket, way: str) -> None:
        try:
            while data := source.recv(1 << 16):
                self._hold(link, way)
                if not link.is_open:
                    return  # after a reset one can still send, but a cut wire carries nothing
                self._forward(link, sink, data)
        except OSError:
            return  # one side is gone: `finally` ends the other
        finally:
            link.done()
            self._changed.notify()

    def _hold(self, link: _Link, way: str) -> None:
        if not self._stalled[way]:
            return
        self._count_held(1)
        try:
            while self._stalled[way] and link.is_open:
                self._pause(lambda: not (self._stalled[way] and link.is_open), 60.0)
        finally:
            self._count_held(-1)

    def _forward(self, link: _Link, sink: NativeSocket, data: bytes) -> None:
        at = 0
        while at < len(data):
            size, pause = self._drip or (len(data), 0.0)
            sink.sendall(data[at : at + size])
            at += size
            if pause and at < len(data):
                self._pause(lambda: self._drip is None or not link.is_open, pause)

    def _count_held(self, difference: int) -> None:
        with self._lock:
            self._held += difference
        self._changed.notify()

    def _pause(self, condition: Callable[[], object], seconds: float) -> None:
        try:
            self._changed.wait_for(condition, seconds)
        except TimeoutError:
            return


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[Address], FaultProxy]]:
    """Provide a function that puts a proxy in front of an address."""
    with ExitStack() as stack:
        yield lambda target: stack.enter_context(FaultProxy(target))
