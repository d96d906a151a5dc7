"""A program of its own: runs one server, and ends it when whoever asked for it is gone.

Usage: python -I -S _supervisor.py PARENT_PID DIRECTORY COMMAND...

PR_SET_PDEATHSIG alone would not do: it follows the *thread* that forked, so a server started from a
worker thread would die with that thread, and setting it needs code between fork and exec, which is
unsafe in a process with threads. This process has one thread and no other task. It notices the end
of its parent by a pidfd and by the end of file on its standard input (a socket), whichever comes
first; its own end takes the server along by PR_SET_PDEATHSIG, which is safe here.

It reads words from the socket, one a line (kill, term, freeze, thaw), and writes what happens:
"started PID", "stopped", "continued", "exited STATUS", "failed REASON".
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable

CHANNEL = 0
PR_SET_PDEATHSIG = 1
SIGNALS = {
    "kill": signal.SIGKILL,
    "term": signal.SIGTERM,
    "freeze": signal.SIGSTOP,
    "thaw": signal.SIGCONT,
}


class Orphaned(Exception):
    """The process that asked for the server is gone."""


def report(*words: object) -> None:
    try:
        os.write(CHANNEL, (" ".join(map(str, words)) + "\n").encode())
    except OSError as error:
        raise Orphaned from error


def die_with_me() -> Callable[[], None] | None:
    """Return what the server's process runs first, so that it never outlives this one."""
    if not sys.platform.startswith("linux"):
        return None
    me = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != me:  # died before the call above
            os._exit(1)

    return in_child


def spawn(directory: str, command: list[str]) -> subprocess.Popen[bytes]:
    with open(os.path.join(directory, "output"), "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_me(),
        )


def watch_parent(parent: int) -> int | None:
    """Return a descriptor that becomes readable when the parent ends; None: look at getppid."""
    try:
        descriptor = os.pidfd_open(parent)  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):
        return None
    if os.getppid() != parent:  # the number may already be another process's
        raise Orphaned
    return int(descriptor)


def obey(pid: int, pending: bytearray) -> None:
    data = os.read(CHANNEL, 1024)
    if not data:
        raise Orphaned
    pending += data
    while b"\n" in pending:
        line, _, rest = bytes(pending).partition(b"\n")
        pending[:] = rest
        # The server has not been waited for yet, so its number cannot be another process's.
        os.kill(pid, SIGNALS[line.decode()])


def reap(pid: int) -> bool:
    """Report what became of the server; return True when it has ended."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if found == 0:
            return False
        if os.WIFSTOPPED(status):
            report("stopped")
        elif os.WIFCONTINUED(status):
            report("continued")
        else:
            report("exited", os.waitstatus_to_exitcode(status))
            return True


def watch(pid: int, parent: int, wake: int) -> None:
    poller = select.poll()
    parent_end = watch_parent(parent)
    for descriptor in (CHANNEL, wake, parent_end):
        if descriptor is not None:
            poller.register(descriptor, select.POLLIN)
    pending = bytearray()
    while True:
        ready = {descriptor for descriptor, _ in poller.poll(500 if parent_end is None else None)}
        if wake in ready:
            os.read(wake, 1024)
        if reap(pid):
            return
        if parent_end in ready or (parent_end is None and os.getppid() != parent):
            raise Orphaned
        if CHANNEL in ready:
            obey(pid, pending)


def clean_up(directory: str) -> None:
    """Remove what the server wrote; the last supervisor of a set also removes the set's folder."""
    shutil.rmtree(directory, ignore_errors=True)
    root = os.path.dirname(directory)
    try:
        remaining = os.listdir(root)
    except FileNotFoundError:
        return  # another supervisor has removed it
    if remaining in (["keyfile"], []):
        shutil.rmtree(root, ignore_errors=True)


def stop_by_signal(*_: object) -> None:
    raise Orphaned


def main(parent: int, directory: str, command: list[str]) -> None:
    os.set_blocking(CHANNEL, True)
    wake, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, stop_by_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server = spawn(directory, command)
    except OSError as error:
        report("failed", error.strerror)
        return
    try:
        report("started", server.pid)
        watch(server.pid, parent, wake)
    except Orphaned:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.kill()
        server.wait()
        clean_up(directory)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
