"""ScriptedServer: a peer on 127.0.0.1 that speaks MongoDB's protocol and follows a script.

    def test_a_lost_reply_is_a_network_error(scripted_server: ScriptedServer) -> None:
        scripted_server.script("find", Answer(manner=hang_up))
        ...
        assert scripted_server.count("find") == 1

An answer is a reply document, an `Answer`, or a function of what was received that returns either.
`on()` sets the answer to every command of a name, `script()` those to the next ones. The name
"hello" stands for the older spellings, too.
"""

from __future__ import annotations

import datetime
import itertools
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from socket import MSG_DONTWAIT, MSG_PEEK
from typing import Any, TypeAlias

import pytest
from bson.objectid import ObjectId

from tests.support.native import (
    Address,
    NativeSocket,
    NativeThread,
    Signal,
    accept,
    disconnect,
    listen,
    new_lock,
)
from tests.support.scripted_store import WRITES, Store, failure
from tests.support.scripted_wire import Request, read_request

__all__ = [
    "MONGOS",
    "Answer",
    "AnswerLike",
    "Document",
    "FakeReplicaSet",
    "Gate",
    "Manner",
    "Received",
    "ScriptedConnection",
    "ScriptedServer",
    "by_half",
    "by_half_then_hang_up",
    "drip",
    "fake_replica_set",
    "garbage",
    "hang_up",
    "huge_length",
    "normally",
    "reset",
    "scripted_server",
    "silently",
    "to_another_request",
    "twice",
]

Document = dict[str, Any]

Manner: TypeAlias = Callable[["ScriptedConnection", bytes], None]
"""How the bytes of a reply are sent, or not."""


class ScriptedConnection:
    """One accepted connection; `number` counts from 1 and is its `connectionId`."""

    def __init__(self, number: int, connection: NativeSocket, peer: Address) -> None:
        self.number = number
        self.peer = peer
        self.commands: list[str] = []
        self.application: str | None = None
        self.is_open = True
        self.ended = Signal()
        self._socket = connection
        self._lock = new_lock()

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<ScriptedConnection {self.number} {state} {' '.join(self.commands)}>"

    def send(self, data: bytes) -> None:
        """Send bytes as they are; a peer that has gone is no error."""
        if not self.is_open:
            return  # after a reset one could still send
        try:
            self._socket.sendall(data)
        except OSError:
            self.kill()

    def kill(self, *, reset: bool = False) -> None:
        """End the connection, with a reset if asked to."""
        with self._lock:  # or its own thread could close the descriptor under us
            if not self.is_open:
                return
            self.is_open = False
            disconnect(self._socket, reset=reset)
        self.ended.notify()

    def read(self) -> Request | None:
        """Wait for the next request; None when there will be none."""
        return read_request(self._socket) if self.is_open else None

    def peer_has_gone(self) -> bool:
        """Tell whether the client has closed its side; asked by the thread that would read."""
        try:
            return self._socket.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Give the socket back; only the thread that reads it may do this."""
        self.kill()
        with self._lock:
            self._socket.close()

    def wait(self, seconds: float) -> None:
        """Let time pass, but no longer than the connection lives."""
        try:
            self.ended.wait_for(lambda: not self.is_open, seconds)
        except TimeoutError:
            return


def normally(connection: ScriptedConnection, message: bytes) -> None:
    """Send the reply."""
    connection.send(message)


def silently(connection: ScriptedConnection, message: bytes) -> None:
    """Never answer, and go on reading."""


def hang_up(connection: ScriptedConnection, message: bytes) -> None:
    """Close the connection instead of answering."""
    connection.kill()


def reset(connection: ScriptedConnection, message: bytes) -> None:
    """Reset the connection instead of answering."""
    connection.kill(reset=True)


def by_half(connection: ScriptedConnection, message: bytes) -> None:
    """Send half of the reply and leave it at that."""
    connection.send(message[: len(message) // 2])


def by_half_then_hang_up(connection: ScriptedConnection, message: bytes) -> None:
    """Send half of the reply and close the connection."""
    by_half(connection, message)
    connection.kill()


def to_another_request(connection: ScriptedConnection, message: bytes) -> None:
    """Send the reply with a `responseTo` that nobody waits for."""
    (response_to,) = struct.unpack_from("<i", message, 8)
    connection.send(message[:8] + struct.pack("<i", response_to ^ 0x5555) + message[12:])


def garbage(connection: ScriptedConnection, message: bytes) -> None:
    """Answer as a web server would."""
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def huge_length(connection: ScriptedConnection, message: bytes) -> None:
    """Send the reply with a length of 2 GiB less one byte in its header."""
    connection.send(struct.pack("<i", 2**31 - 1) + message[4:])


def twice(connection: ScriptedConnection, message: bytes) -> None:
    """Send the reply, and send it again when nobody waits for it."""
    connection.send(message * 2)


def drip(pause: float = 0.001, size: int = 1) -> Manner:
    """Return the manner that sends `size` bytes at a time with `pause` seconds in between."""

    def dripping(connection: ScriptedConnection, message: bytes) -> None:
        for at in range(0, len(message), size):
            connection.send(message[at : at + size])
            connection.wait(pause)

    return dripping


class Gate:
    """A manner that holds replies back until the gate is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self._is_open = False
        self._lock = new_lock()
        self._changed = Signal()

    def __call__(self, connection: ScriptedConnection, message: bytes) -> None:
        with self._lock:
            self.waiting += 1
        self._changed.notify()
        # Looks at the connection now and then too, or a test that fails could not stop the server.
        while connection.is_open and not self._is_open:
            self._pass(0.05)
        with self._lock:
            self.waiting -= 1
        self._changed.notify()
        connection.send(message)

    def open(self) -> None:
        """Let all held replies go, and later ones pass."""
        self._is_open = True
        self._changed.notify()

    def wait_for_waiting(self, count: int = 1, timeout: float = 15.0) -> None:
        """Wait until `count` replies are held back."""
        self._changed.wait_for(lambda: self.waiting >= count, timeout)

    def _pass(self, seconds: float) -> None:
        try:
            self._changed.wait_for(lambda: self._is_open, seconds)
        except TimeoutError:
            return


@dataclass(frozen=True)
class Received:
    """A command the server has received; the document sequences are in `document`."""

    connection: ScriptedConnection
    request: Request
    document: Document = field(repr=False)

    @property
    def name(self) -> str:
        """The command's name; "hello" for the older spellings, too."""
        name = next(iter(self.document))
        return "hello" if name in ("isMaster", "ismaster") else name


@dataclass(frozen=True)
class Answer:
    """A reply and the manner in which it is sent; an empty one is `{"ok": 1}`."""

    document: Document = field(default_factory=dict)
    manner: Manner = normally


AnswerLike: TypeAlias = Document | Answer | Callable[[Received], "Document | Answer"]

MONGOS: Mapping[str, Any] = {"msg": "isdbgrid"}
"""What a hello of a mongos has and a mongod's has not."""


class ScriptedServer:
    """Believable as a standalone mongod, until the script says otherwise.

    Attributes:
        hello: fields that replace those of the default hello; None removes a field.
        connections: every connection accepted so far, by number.
        received: every command received so far.
        errors: what went wrong in the server itself; raised again when it stops.
    """

    def __init__(
        self, hello: Mapping[str, Any] | None = None, *, store: Store | None = None, port: int = 0
    ) -> None:
        self.hello: Document = dict(hello or {})
        self.store = store or Store()
        self.connections: dict[int, ScriptedConnection] = {}
        self.received: list[Received] = []
        self.errors: list[BaseException] = []
        self._answers: dict[str, AnswerLike] = {}
        self._script: dict[str, deque[AnswerLike]] = {}
        self._numbers = itertools.count(1)
        self._reply_ids = itertools.count(1)
        self._threads: list[NativeThread] = []
        self._lock = new_lock()
        self._changed = Signal()
        self._listener: NativeSocket | None = listen(("127.0.0.1", port))
        self.address: Address = self._listener.getsockname()
        self._acceptor = NativeThread(self._accept)

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<ScriptedServer {self.host} {len(self.open_connections)} connections>"

    @property
    def host(self) -> str:
        """The address as `host:port`."""
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def uri(self) -> str:
        """A connection string for this server alone."""
        return f"mongodb://{self.host}/?directConnection=true"

    @property
    def open_connections(self) -> list[ScriptedConnection]:
        """The connections that have not ended."""
        return [each for each in list(self.connections.values()) if each.is_open]

    def on(self, name: str, answer: AnswerLike) -> None:
        """Answer every command `name` this way."""
        self._answers[name] = answer

    def script(self, name: str, *answers: AnswerLike) -> None:
        """Answer the next commands `name` these ways, one each, before what `on()` set."""
        with self._lock:
            self._script.setdefault(name, deque()).extend(answers)

    def commands(self, name: str | None = None) -> list[Received]:
        """Return what was received, or what of it is called `name`."""
        return [each for each in list(self.received) if name in (None, each.name)]

    def count(self, name: str | None = None) -> int:
        """Return how many commands, or commands called `name`, were received."""
        return len(self.commands(name))

    def wait_for(self, condition: Callable[[], object], timeout: float = 15.0) -> None:
        """Wait until `condition`, which may look at anything of this server, is true.

        Raises:
            TimeoutError: it did not become true.
        """
        self._changed.wait_for(condition, timeout)

    def kill(self, number: int, *, reset: bool = False) -> None:
        """End the connection with this number."""
        self.connections[number].kill(reset=reset)
        self._changed.notify()

    def kill_all(self, *, reset: bool = False) -> None:
        """End every open connection."""
        for connection in self.open_connections:
            self.kill(connection.number, reset=reset)

    def refuse(self) -> None:
        """Stop listening: whoever connects from now on is refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            disconnect(listener)
            self._acceptor.join()
            listener.close()

    def accept_again(self) -> None:
        """Listen at the same address as before."""
        if self._listener is None:
            self._listener = listen(self.address)
            self._acceptor = NativeThread(self._accept)

    def stop(self) -> None:
        """End everything.

        Raises:
            BaseException: the first of `errors`.
        """
        self.refuse()
        self.kill_all()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _accept(self) -> None:
        while (listener := self._listener) is not None:
            accepted = accept(listener)
            if accepted is None:
                continue
            number = next(self._numbers)
            connection = ScriptedConnection(number, *accepted)
            self.connections[number] = connection
            self._threads.append(NativeThread(partial(self._serve, connection)))
            self._changed.notify()

    def _serve(self, connection: ScriptedConnection) -> None:
        try:
            while (request := connection.read()) is not None:
                self._handle(Received(connection, request, request.document))
        except BaseException as error:
            # A failed assertion in an answer belongs to the test, and is raised there by stop().
            self.errors.append(error)
        finally:
            connection.close()
            self._changed.notify()

    def _handle(self, received: Received) -> None:
        connection = received.connection
        connection.commands.append(received.name)
        client = received.document.get("client", {})
        connection.application = client.get("application", {}).get("name", connection.application)
        self.received.append(received)
        answer = self._answer(received)
        self._changed.notify()
        if received.request.wants_reply:
            document = {**answer.document}
            document.setdefault("ok", 1.0)
            message = received.request.encode_reply(document, next(self._reply_ids))
            answer.manner(connection, message)

    def _answer(self, received: Received) -> Answer:
        with self._lock:
            script = self._script.get(received.name)
            answer = script.popleft() if script else self._answers.get(received.name)
        if answer is None:
            answer = self._default(received)
        elif callable(answer):
            answer = answer(received)
        return answer if isinstance(answer, Answer) else Answer(answer)

    def _default(self, received: Received) -> Document:
        name, command = received.name, received.document
        if name == "hello":
            return self.hello_reply(received)
        if name == "whoami":
            return {"connectionId": received.connection.number}
        if name in WRITES and self.hello.get("isWritablePrimary") is False:
            labels = {"errorLabels": ["RetryableWriteError"]} if "txnNumber" in command else {}
            return failure(10107, "NotWritablePrimary", "not primary", **labels)
        if (reply := self.store.answer(command)) is not None:
            return reply
        return failure(59, "CommandNotFound", f"no such command: '{name}'")

    def hello_reply(self, received: Received) -> Document:
        """Return what a hello is answered with by default, for a script to change."""
        reply: Document = {
            "helloOk": True,
            "isWritablePrimary": True,
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "localTime": datetime.datetime.now(datetime.timezone.utc),
            "logicalSessionTimeoutMinutes": 30,
            "connectionId": received.connection.number,
            "minWireVersion": 0,
            "maxWireVersion": 17,
            "readOnly": False,
        }
        reply.update(self.hello)
        if "hello" not in received.document:
            reply["ismaster"] = reply.pop("isWritablePrimary")
        return {name: value for name, value in reply.items() if value is not None}


class FakeReplicaSet:
    """Several scripted servers that call themselves members of one set, with one set of data."""

    def __init__(self, members: int = 3, *, name: str = "rs0", primary: int | None = 0) -> None:
        self.name = name
        self.term = 0
        self.store = Store()
        self.members = [ScriptedServer(store=self.store) for _ in range(members)]
        self.elect(primary)

    def __enter__(self) -> FakeReplicaSet:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """A connection string that names all members and the set."""
        hosts = ",".join(member.host for member in self.members)
        return f"mongodb://{hosts}/?replicaSet={self.name}"

    def elect(self, primary: int | None) -> None:
        """Make this member the primary, or none; connections stay as they are."""
        if primary is not None:
            self.term += 1
        for index, member in enumerate(self.members):
            member.hello.update(self._hello(index, primary))

    def stop(self) -> None:
        """Stop all members."""
        with ExitStack() as stack:
            for member in self.members:
                stack.callback(member.stop)

    def _hello(self, index: int, primary: int | None) -> Document:
        writes = index == primary
        return {
            "setName": self.name,
            "setVersion": 1,
            "hosts": [member.host for member in self.members],
            "me": self.members[index].host,
            "primary": None if primary is None else self.members[primary].host,
            "electionId": ObjectId(struct.pack(">IQ", 0x7FFFFFFF, self.term)) if writes else None,
            "isWritablePrimary": writes,
            "secondary": not writes,
            "lastWrite": {"lastWriteDate": datetime.datetime(2026, 1, 1)},
        }


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """Provide a fake standalone server."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def fake_replica_set() -> Iterator[FakeReplicaSet]:
    """Provide a fake replica set of three, whose first member is the primary."""
    with FakeReplicaSet() as replica_set:
        yield replica_set
