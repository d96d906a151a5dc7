"""A contender's process, seen from inside and from outside.

The two sides speak in lines of JSON: a job in, a sample out. The process stays between jobs, so
that rounds of different contenders can alternate on warm clients.
"""

from __future__ import annotations

import asyncio
import json
import select
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Job, Sample

__all__ = ["Worker", "WorkerFailed", "converse", "converse_async"]

_READY = "ready"
# More than any job lasts, and a driver's own server selection timeout.
_PATIENCE = 45.0


class WorkerFailed(RuntimeError):
    """A contender's process ended, or did not answer in time."""


# --- inside ---------------------------------------------------------------------------------


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def converse(
    measure: Callable[[Job], Sample], next_line: Callable[[], str] = sys.stdin.readline
) -> None:
    """Do the jobs that arrive on standard input until it ends."""
    _say(_READY)
    while line := next_line():
        _say(json.dumps(asdict(measure(Job(**json.loads(line))))))


async def converse_async(measure: Callable[[Job], Awaitable[Sample]]) -> None:
    """Do the jobs that arrive on standard input, with the loop running in between."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say(_READY)
    while line := await lines.readline():
        _say(json.dumps(asdict(await measure(Job(**json.loads(line))))))
    pipe.close()


def main() -> None:
    """Serve as the contender named on the command line, for the server and variant named after."""
    from benchmarks.contenders import find

    name, uri, variant = sys.argv[1:]
    find(name).serve(uri, variant)


# --- outside --------------------------------------------------------------------------------


class Worker:
    """The parent's end. Starting returns at once; call `wait_until_ready` before the first job."""

    def __init__(
        self, name: str, uri: str, variant: str = "plain", *, patched: bool = False
    ) -> None:
        self.name = name
        self._variant = variant
        launcher = ["gevent.monkey", "--module"] if patched else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", *launcher, "benchmarks.worker", name, uri, variant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=Path(__file__).parent.parent,
        )

    def wait_until_ready(self) -> None:
        """Wait for the driver to be imported and its client made.

        Raises:
            WorkerFailed: that failed; the reason is on standard error.
        """
        self._hear()

    def _hear(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        # One line is one answer, so none can hide in the buffer of the text layer.
        if not select.select([stdout], [], [], _PATIENCE)[0]:
            raise WorkerFailed(f"{self.name} did not answer within {_PATIENCE:.0f} s")
        line = stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.name} ended with status {self._process.wait()}")
        return line

    def measure(self, job: Job) -> Sample:
        """Have the job done.

        Raises:
            WorkerFailed: the process ended, or hangs.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        except BrokenPipeError:
            raise WorkerFailed(f"{self.name} is gone") from None
        return Sample(**json.loads(self._hear()))

    def close(self) -> None:
        """End the process, kindly at first, unless it has callers that never return."""
        try:
            if self._variant == "waiting":
                self._process.kill()
            self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


if __name__ == "__main__":
    main()
