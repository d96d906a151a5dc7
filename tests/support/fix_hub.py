"""The hub thread for tests: leased, and gone again after the test if nobody else has it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from greenmongo._api.client import MongoClient
from greenmongo._hub.process import acquire
from greenmongo._hub.thread import HubThread

__all__ = [
    "Client",
    "Connect",
    "client_of",
    "hub_thread",
    "run_program",
    "run_script",
    "without_reports",
]

ROOT = Path(__file__).parents[2]

Client = MongoClient[dict[str, Any]]
Connect = Callable[..., Client]


@pytest.fixture
def hub_thread() -> Iterator[HubThread]:
    """Lease the hub thread, and see it end."""
    thread = acquire()
    try:
        yield thread
    finally:
        thread.release()
        if not thread._leases:
            assert thread.stop_and_join(10.0)


@pytest.fixture
def client_of(hub_thread: HubThread) -> Iterator[Connect]:
    """Provide a function that opens a client, which is closed after the test."""
    with ExitStack() as stack:

        def connect(uri: str, **options: Any) -> Client:
            defaults = {
                "serverSelectionTimeoutMS": 15_000,
                "retryReads": False,
                "retryWrites": False,
            }
            return stack.enter_context(MongoClient(uri, **(defaults | options)))

        yield connect


FORKING = "ignore:This process:DeprecationWarning"
"""What Python 3.12 and newer say of each fork of a process with threads, and so of ours."""

REPORT = re.compile(r"^The hub thread has been held for .*\n(?: .*(?:\n|\Z))*", re.MULTILINE)


def without_reports(errors: str) -> str:
    """Return what a program complained of, but for a hub held up: a busy machine does that."""
    return REPORT.sub("", errors)


def run_program(
    script: str, *arguments: str, timeout: float = 15.0
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own, from the root of the repository."""
    return subprocess.run(
        [sys.executable, "-W", FORKING, "-c", script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_script(
    script: str, *arguments: str, timeout: float = 15.0
) -> subprocess.CompletedProcess[str]:
    """Run a program like `run_program`, without what it says of a hub held up."""
    done = run_program(script, *arguments, timeout=timeout)
    done.stderr = without_reports(done.stderr)
    return done
