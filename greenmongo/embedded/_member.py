"""One server of a deployment, and the faults that a test can cause in it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from greenmongo.embedded._admin import Admin
from greenmongo.embedded._diagnosis import explain_exit, last_messages
from greenmongo.embedded._errors import EmbeddedServerError
from greenmongo.embedded._launch import Launch
from greenmongo.embedded._process import ServerProcess

__all__ = ["Member", "wait_until"]

POLL_EVERY = 0.02
CLEAN_STOP_WITHIN = 20.0
CATCH_UP_WITHIN = 10
LOG_TAIL = 256 * 1024
LISTENING = "waiting for connections"  # mongod's message when its port is open


class Member:
    """A server process on 127.0.0.1, on one port for its whole life.

    Attributes:
        port: where it listens.
        directory: its data and log, removed when the deployment ends.
    """

    def __init__(self, launch: Launch, port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory
        self._launch = launch
        self._admin = Admin(port, launch.tls_context())
        self._process: ServerProcess | None = None
        self._log_began_at = 0

    def __repr__(self) -> str:
        state = f"pid={self.pid}" if self.is_running else "down"
        return f"<Member {self.host} {state}>"

    @property
    def host(self) -> str:
        """Host and port, as they stand in a URI."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as a pair."""
        return ("127.0.0.1", self.port)

    @property
    def pid(self) -> int | None:
        """The server's process, None while it is down."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self._process is not None and not self._process.has_ended()

    def log(self) -> str:
        """Return the end of the server's log, one JSON document a line."""
        return tail(self.directory / "log")

    def hello(self) -> dict[str, Any] | None:
        """Return the server's description of itself, None if it does not answer."""
        return self._admin.hello()

    def is_listening(self) -> bool:
        """Return whether this very process, not another one on its port, accepts connections."""
        if self._launch.binary.is_emulator:
            return self.hello() is not None
        return LISTENING in tail(self.directory / "log", self._log_began_at).lower()

    def run(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run a command on the admin database, without authentication."""
        return self._admin.run(command)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._running().kill()

    def stop(self) -> None:
        """Shut it down cleanly; a primary hands over first, if it can without a password."""
        self._running()
        self._hand_over()
        self._running().terminate(CLEAN_STOP_WITHIN)

    def freeze(self) -> None:
        """Stop its process (SIGSTOP): connections stay open, nothing answers."""
        self._running().freeze()

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._running().thaw()

    def restart(self, timeout: float = 60.0) -> None:
        """Start it again on the same port and data; stop it first if it runs."""
        if self.is_running:
            self.stop()
        self.start()
        self.wait(self.is_listening, timeout, "listen again")
        self.wait(lambda: is_ready(self.hello(), self._launch.replica_set), timeout, "be back")

    def start(self) -> None:
        """Start the process; `wait` for what you need of it."""
        (self.directory / "db").mkdir(parents=True, exist_ok=True)
        log = self.directory / "log"
        self._log_began_at = log.stat().st_size if log.exists() else 0
        self._process = ServerProcess(
            self._launch.command(self.port, self.directory), self.directory
        )

    def wait(self, condition: Callable[[], bool], timeout: float, purpose: str) -> None:
        """Wait for a condition, as long as the process lives.

        Raises:
            EmbeddedServerError: the process ended, or the time is over.
        """
        wait_until(
            lambda: self._lives() and condition(),
            timeout,
            f"{self.host} did not {purpose}",
            self.log,
        )

    def discard(self) -> None:
        """End it for good and remove its data."""
        if self._process is not None:
            self._process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _hand_over(self) -> None:
        """Have another member take over, once it has caught up, and see that it does.

        A primary told to end tries this too, but gives up after the short time that `Launch` sets.
        It is then the primary again and ends all the same, so that operations which were
        interrupted by the attempt, and sent once more, fail a second time.
        """
        hello = self.hello() or {}
        if not hello.get("isWritablePrimary") or len(hello.get("hosts", ())) < 2:
            return
        command = {"replSetStepDown": 60, "secondaryCatchUpPeriodSecs": CATCH_UP_WITHIN}
        try:
            self._admin.run(command, timeout=CATCH_UP_WITHIN + 5.0)
            wait_until(self._has_successor, CATCH_UP_WITHIN, "no successor", self.log)
        except (EmbeddedServerError, OSError):
            return  # nobody can take over, or we may not ask: it ends without a handover

    def _has_successor(self) -> bool:
        hello = self.hello() or {}
        return hello.get("primary") not in (None, hello.get("me"))

    def _lives(self) -> bool:
        if self.is_running:
            return True
        status = None if self._process is None else self._process.status
        raise explain_exit(self.log(), tail(self.directory / "output"), status)

    def _running(self) -> ServerProcess:
        if self._process is None or not self.is_running:
            raise EmbeddedServerError(
                f"{self.host} is not running", "call restart() first", "state"
            )
        return self._process


def wait_until(
    condition: Callable[[], bool], timeout: float, complaint: str, log: Callable[[], str]
) -> None:
    """Look at a condition until it holds; give up with the server's last messages."""
    give_up = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > give_up:
            told = "; ".join(last_messages(log())) or "its log has no errors"
            raise EmbeddedServerError(
                f"{complaint} within {timeout:g} s ({told})",
                "the machine may be overloaded: give it longer with start_timeout",
                "timeout",
            )
        time.sleep(POLL_EVERY)


def is_ready(hello: dict[str, Any] | None, replica_set: str | None) -> bool:
    """Return whether a member answers, and in a set, whether it has its place there."""
    if hello is None:
        return False
    states = ("isWritablePrimary", "secondary", "arbiterOnly")
    return replica_set is None or any(hello.get(state) for state in states)


def tail(path: Path, begin: int = 0) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(begin, os.fstat(file.fileno()).st_size - LOG_TAIL))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
