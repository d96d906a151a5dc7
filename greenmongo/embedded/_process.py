"""A supervised server process, as the program that started it sees it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from greenmongo.embedded._diagnosis import explain_exec_failure
from greenmongo.embedded._errors import EmbeddedServerError

__all__ = ["ServerProcess"]

SUPERVISOR = str(Path(__file__).with_name("_supervisor.py"))
ANSWER_WITHIN = 20.0


class ServerProcess:
    """One running server and its supervisor. For one caller at a time."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self._owner = os.getpid()
        self._received = bytearray()
        self._over = False
        self.status: int | None = None
        """How it ended, if `has_ended`: exit code, or a negative signal number."""
        self._channel, theirs = socket.socketpair()
        try:
            with theirs:
                self._supervisor = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-S", SUPERVISOR, str(self._owner), str(directory)),
                        *command,
                    ],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # Ctrl-C at a terminal is for the program, which then stops us in its own order.
                    start_new_session=True,
                    cwd="/",
                )
            words = self._wait_for("started", "failed", "exited")
        except BaseException:
            self._channel.close()
            raise
        if words[0] == "failed":
            self._finish(None)
            raise explain_exec_failure(command[0], " ".join(words[1:]))
        self.pid = int(words[1])

    def __repr__(self) -> str:
        state = f"ended, status={self.status}" if self._over else "running"
        return f"<ServerProcess pid={self.pid} {state}>"

    @property
    def is_ours(self) -> bool:
        """False in a forked child, which must leave its parent's server alone."""
        return os.getpid() == self._owner

    def has_ended(self) -> bool:
        """Return whether the server is gone, without waiting."""
        if not self._over and self.is_ours:
            for words in self._read(0.0):
                self._note(words)
        return self._over

    def kill(self) -> None:
        """End the server at once, with SIGKILL."""
        self._end("kill", ANSWER_WITHIN)

    def terminate(self, timeout: float) -> None:
        """Ask the server to shut down cleanly; kill it after `timeout` seconds."""
        if not self._end("term", timeout):
            self.kill()

    def freeze(self) -> None:
        """Freeze the server: its sockets stay open, nothing answers."""
        self._send("freeze")
        self._wait_for("stopped", "exited")

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._send("thaw")
        self._wait_for("continued", "exited")

    def _end(self, word: str, timeout: float) -> bool:
        if not self.is_ours or self.has_ended():
            return True
        try:
            self._send(word)
            self._wait_for("exited", timeout=timeout)
        except EmbeddedServerError:
            return False
        return True

    def _send(self, word: str) -> None:
        try:
            self._channel.settimeout(ANSWER_WITHIN)
            self._channel.sendall(word.encode() + b"\n")
        except OSError:
            self._finish(self.status)  # the supervisor is gone, and the server with it

    def _wait_for(self, *wanted: str, timeout: float = ANSWER_WITHIN) -> list[str]:
        give_up = time.monotonic() + timeout
        while not self._over:
            remaining = give_up - time.monotonic()
            if remaining <= 0:
                raise EmbeddedServerError(
                    f"no word from the server's supervisor within {timeout:g} s",
                    "the machine may be overloaded; try again",
                    "timeout",
                )
            for words in self._read(remaining):
                self._note(words)
                if words[0] in wanted:
                    return words
        return ["exited", str(self.status)]

    def _read(self, timeout: float) -> list[list[str]]:
        """Return the reports that arrived within `timeout`; an end of file is one as well."""
        try:
            self._channel.settimeout(timeout)
            data = self._channel.recv(1024)
        except (BlockingIOError, TimeoutError):
            return []
        except OSError:
            data = b""
        if not data:
            return [["exited", "unknown"]]
        self._received += data
        *lines, rest = bytes(self._received).split(b"\n")
        self._received[:] = rest
        return [line.decode().split() for line in lines]

    def _note(self, words: list[str]) -> None:
        if words[0] == "exited":
            self._finish(None if words[1] == "unknown" else int(words[1]))

    def _finish(self, status: int | None) -> None:
        if not self._over:
            self._over = True
            self.status = status
            self._channel.close()
            self._supervisor.wait()
