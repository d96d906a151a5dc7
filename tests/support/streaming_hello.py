"""A scripted server's answers to hello that stream: news are sent when there are some, unasked.

news = StreamingHello(server)
...
news.announce(isWritablePrimary=False, secondary=True)
"""

from __future__ import annotations

import struct
from functools import partial
from time import monotonic
from typing import Any

from bson.int64 import Int64
from bson.objectid import ObjectId

from tests.support.fix_scripted import (
    Answer,
    Document,
    Received,
    ScriptedConnection,
    ScriptedServer,
)
from tests.support.native import Signal
from tests.support.scripted_wire import MORE_TO_COME

__all__ = ["StreamingHello"]

EXHAUST_ALLOWED = 1 << 16
_FLAGS_OFFSET = 16
_SLICE = 0.05


class StreamingHello:
    """What a server tells of itself, with a version.

    Attributes:
        has_versions: replies carry a topologyVersion; without one they cannot be streamed.
        is_silent: streams have come to a halt, also when the time to wait is over.
        sends_more: replies announce the next one; otherwise each has to be asked for.
        sent: how many replies were sent after waiting.
    """

    def __init__(self, server: ScriptedServer) -> None:
        self.has_versions = True
        self.is_silent = False
        self.sends_more = True
        self.sent = 0
        self._server = server
        self._process = ObjectId()
        self._counter = 0
        self._changed = Signal()
        server.on("hello", self._answer)

    @property
    def streams(self) -> list[Received]:
        """The hellos received that wait for news."""
        return [x for x in self._server.commands("hello") if "topologyVersion" in x.document]

    def announce(self, **hello: Any) -> None:
        """Change the hello, and tell whoever waits for news."""
        self._server.hello.update(hello)
        self._counter += 1
        self._changed.notify()

    def _answer(self, received: Received) -> Answer:
        if "topologyVersion" in received.document:
            return Answer({}, partial(self._stream, received))
        return Answer(self._reply(received))

    def _reply(self, received: Received) -> Document:
        reply = self._server.hello_reply(received)
        if self.has_versions:
            version = {"processId": self._process, "counter": Int64(self._counter)}
            reply["topologyVersion"] = version
        return {**reply, "ok": 1.0}

    def _stream(self, received: Received, connection: ScriptedConnection, message: bytes) -> None:
        """Send one reply after another until the stream ends; the real server does it likewise."""
        assert received.request.flags & EXHAUST_ALLOWED
        known = received.document["topologyVersion"]["counter"]
        limit = received.document["maxAwaitTimeMS"] / 1000
        (answered,) = struct.unpack_from("<i", message, 8)
        while self._waits(connection, known, limit):
            known, identity = self._counter, 5000 + self.sent
            reply = bytearray(received.request.encode_reply(self._reply(received), identity))
            more = self.sends_more and self.has_versions
            struct.pack_into("<i", reply, 8, answered)
            struct.pack_into("<I", reply, _FLAGS_OFFSET, MORE_TO_COME if more else 0)
            self.sent += 1
            connection.send(bytes(reply))
            if not more:
                return
            answered = identity

    def _waits(self, connection: ScriptedConnection, known: int, limit: float) -> bool:
        """Wait for something to send; False if the connection ended first."""
        deadline = monotonic() + limit
        while connection.is_open and not connection.peer_has_gone():
            if not self.is_silent and (self._counter != known or monotonic() > deadline):
                return True
            self._pass(min(_SLICE, max(0.0, deadline - monotonic()) + 0.001))
        connection.kill()
        return False

    def _pass(self, seconds: float) -> None:
        counter = self._counter
        try:
            self._changed.wait_for(lambda: self._counter != counter, seconds)
        except TimeoutError:
            return
