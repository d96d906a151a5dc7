"""A deployment on this machine: a standalone server or a replica set."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from greenmongo.embedded._binary import find_server
from greenmongo.embedded._errors import EmbeddedServerError
from greenmongo.embedded._launch import Launch, TLSFiles, free_port
from greenmongo.embedded._member import Member, is_ready, wait_until
from greenmongo.embedded._threads import run_in_thread

__all__ = ["MongoServer"]

PORT_ATTEMPTS = 5
# The defaults (10 s, 2 s) are made for wide networks; a local set should elect in seconds, and yet
# not hold an election whenever a loaded machine pauses.
SETTINGS = {"electionTimeoutMillis": 3000, "heartbeatIntervalMillis": 500}


class MongoServer:
    """A local MongoDB deployment, as a context manager, blocking or asynchronous.

    It listens on 127.0.0.1 only, keeps its data in a temporary directory, and is gone with that
    directory at the end of the block; also when this process is killed.

    Args:
        members: how many servers; more than one needs a replica set. Or what each member of the
            set's configuration has besides its address: `[{}, {}, {"arbiterOnly": True}]`.
        replica_set: the set's name; None for a standalone server.
        auth: user and password of a root user to create; access control is then on.
        tls: certificates; the servers then speak TLS only.
        parameters: server parameters (`--setParameter`), added to or replacing the built-in ones.
        port: the first member's port, the next ones following; free ports are found if None.
        start_timeout: how many seconds the deployment may take to be ready.
        advertise: given a member's address, returns the `host:port` by which the other members
            and the clients of the set shall reach it, through a proxy for instance.

    Raises:
        EmbeddedServerError: from entering the block; it names the cause and the fix.
    """

    def __init__(
        self,
        members: int | Sequence[Mapping[str, Any]] = 1,
        replica_set: str | None = "rs0",
        auth: tuple[str, str] | None = None,
        tls: TLSFiles | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        port: int | None = None,
        start_timeout: float = 60.0,
        advertise: Callable[[tuple[str, int]], str] | None = None,
    ) -> None:
        settings = [{}] * members if isinstance(members, int) else [dict(each) for each in members]
        if not settings or (replica_set is None and (len(settings) > 1 or settings[0])):
            raise ValueError(f"members={members} with replica_set={replica_set!r}")
        self.replica_set = replica_set
        self.members: list[Member] = []
        self._settings: list[dict[str, Any]] = settings
        self._advertise = advertise
        self._hosts: list[str] = []
        self._auth = auth
        self._tls = tls
        self._parameters = dict(parameters or {})
        self._port = port
        self._start_timeout = start_timeout
        self._lock = threading.Lock()
        self._abandoned = False
        self._root: Path | None = None
        self._launch: Launch | None = None
        self._owner = os.getpid()

    def __repr__(self) -> str:
        kind = f"replica set {self.replica_set!r}" if self.replica_set else "standalone"
        state = f"on ports {self.ports}" if self.members else "not running"
        return f"<MongoServer {kind} {state}>"

    @property
    def ports(self) -> list[int]:
        """Every member's port."""
        return [member.port for member in self.members]

    @property
    def uri(self) -> str:
        """The connection string, with credentials and TLS options."""
        if self._launch is None or not self.members:
            raise EmbeddedServerError("the server is not running", "enter the block first", "state")
        return self._launch.uri(self._hosts)

    @property
    def primary(self) -> Member | None:
        """The member that says it is primary, or the standalone server; None if none does."""
        for member in self.members:
            hello = member.hello() if member.is_running else None
            if hello is not None and hello.get("isWritablePrimary"):
                return member
        return None

    def wait_for_primary(self, timeout: float = 30.0) -> Member:
        """Return the primary as soon as there is one.

        Raises:
            EmbeddedServerError: there was none in time.
        """
        found: list[Member] = []

        def look() -> bool:
            found.extend(filter(None, [self.primary]))
            return bool(found)

        wait_until(look, timeout, "no primary", self.members[0].log)
        return found[0]

    def start(self) -> None:
        """Start the deployment and wait until it can be used."""
        self._abandoned = False
        self._start_unless_abandoned()

    def stop(self) -> None:
        """End every process and remove the data. Harmless when nothing runs."""
        if os.getpid() != self._owner:
            return  # a forked child must leave its parent's server alone
        self._abandoned = True
        with self._lock:
            self._discard()

    def __enter__(self) -> MongoServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> MongoServer:
        self._abandoned = False  # set here, since stop() may run before the thread does
        try:
            await run_in_thread(self._start_unless_abandoned)
        except BaseException:
            # Whoever is cancelled in here never reaches __aexit__. stop() waits until the thread
            # has noticed that its work is no longer wanted.
            await run_in_thread(self.stop, to_the_end=True)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await run_in_thread(self.stop, to_the_end=True)

    def _start_unless_abandoned(self) -> None:
        with self._lock:
            if self.members:
                raise EmbeddedServerError("the server is already running", "stop it first", "state")
            try:
                self._start()
            except BaseException:
                self._discard()
                raise

    def _start(self) -> None:
        give_up = time.monotonic() + self._start_timeout
        self._root = Path(tempfile.mkdtemp(prefix="greenmongo-"))
        self._launch = self._prepare(self._root)
        for index in range(len(self._settings)):
            member = self._start_member(self._launch, self._root, index)
            self.members.append(member)
            self._hosts.append(self._advertise(member.address) if self._advertise else member.host)
        first = self.members[0]
        if self.replica_set is not None:
            first.run({"replSetInitiate": self._configuration()})
        first.wait(
            self._unless_abandoned(self._is_ready), give_up - time.monotonic(), "become ready"
        )
        if self._auth is not None:
            user, password = self._auth
            primary = self.wait_for_primary()
            primary.run({"createUser": user, "pwd": password, "roles": ["root"]})

    def _prepare(self, root: Path) -> Launch:
        binary = find_server()
        if binary.is_emulator:
            self._settle_for_emulator(binary.found_in)
        key_file = None
        if self._auth is not None and self.replica_set is not None:
            key_file = root / "keyfile"
            key_file.touch(mode=0o600)
            key_file.write_bytes(base64.b64encode(secrets.token_bytes(96)))
        return Launch(binary, self.replica_set, self._auth, self._tls, key_file, self._parameters)

    def _settle_for_emulator(self, name: str) -> None:
        if len(self._settings) > 1 or self._auth or self._tls or self._parameters:
            raise EmbeddedServerError(
                f"no mongod found, and {name} has neither replica sets nor access control, TLS or"
                " parameters",
                "install MongoDB, or set GREENMONGO_MONGOD to the path of a mongod",
                "platform",
            )
        if self.replica_set is not None:
            warnings.warn(
                f"no mongod found: {name} stands in, as a standalone server", RuntimeWarning, 4
            )
            self.replica_set = None

    def _start_member(self, launch: Launch, root: Path, index: int) -> Member:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            port = free_port() if self._port is None else self._port + index
            member = Member(launch, port, root / f"member-{index}-{attempt}")
            try:
                member.start()
                listens = self._unless_abandoned(member.is_listening)
                member.wait(listens, self._start_timeout, "open its port")
            except EmbeddedServerError as error:
                member.discard()
                # Somebody else may have taken the port after we looked and before mongod binds it.
                if error.kind != "port" or self._port is not None or attempt == PORT_ATTEMPTS:
                    raise
            except BaseException:
                member.discard()
                raise
            else:
                return member
        raise AssertionError("unreachable")

    def _configuration(self) -> dict[str, Any]:
        members = [
            {"_id": index, "host": host, **settings}
            for index, (host, settings) in enumerate(zip(self._hosts, self._settings, strict=True))
        ]
        return {"_id": self.replica_set, "members": members, "settings": SETTINGS}

    def _is_ready(self) -> bool:
        hellos = [member.hello() for member in self.members]
        if not all(is_ready(hello, self.replica_set) for hello in hellos):
            return False
        return any(hello and hello.get("isWritablePrimary") for hello in hellos)

    def _unless_abandoned(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        def check() -> bool:
            if self._abandoned:
                raise EmbeddedServerError("stopped while starting", "start it again", "state")
            return condition()

        return check

    def _discard(self) -> None:
        for member in self.members:
            member.discard()
        self.members.clear()
        self._hosts.clear()
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
