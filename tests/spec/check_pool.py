"""Checks the events and errors of a connection pool whose users do as they are told."""

from __future__ import annotations

from time import monotonic
from typing import Any

import gevent
from gevent.queue import Queue
from pymongo.errors import PyMongoError

from greenmongo._net.connection import Connection
from tests.spec.hooks_pool import PoolRun

__all__ = ["check_pool"]

_ANYTHING = (42, "42")
_TIMEOUT_MS = 10_000


def check_pool(test: dict[str, Any]) -> None:
    """Do the operations one after the other, then compare the events. On the hub thread."""
    run = PoolRun(test.get("poolOptions", {}), test.get("failPoint"))
    try:
        _Script(run, test).play()
    finally:
        run.close()


class _Script:
    """The users of the pool: one for each named thread, and the one who starts them."""

    def __init__(self, run: PoolRun, test: dict[str, Any]) -> None:
        self._run = run
        self._test = test
        self._labels: dict[str, Connection] = {}
        self._threads: dict[str, _Thread] = {}

    def play(self) -> None:
        expected = self._test.get("error", {}).get("type")
        assert self._error_of(self._test["operations"]) == expected, "error"
        self._check_events()

    def _error_of(self, operations: list[dict[str, Any]]) -> str | None:
        """Do the operations; return the name of the error that ends them early, if one does."""
        try:
            for operation in operations:
                if "thread" in operation:
                    self._threads[operation["thread"]].queue(operation)
                else:
                    self._do(operation)
        except PyMongoError as error:
            return PoolRun.name_of(error)
        return None

    def _do(self, operation: dict[str, Any]) -> None:
        run = self._run
        match operation["name"]:
            case "start":
                self._threads[operation["target"]] = _Thread(run, self._do)
            case "wait":
                gevent.sleep(operation["ms"] / 1000)
            case "waitForThread":
                self._threads[operation["target"]].join()
            case "waitForEvent":
                self._wait(
                    operation["event"],
                    operation["count"],
                    operation.get("timeout", _TIMEOUT_MS) / 1000,
                )
            case "checkOut":
                self._labels[operation.get("label", "")] = run.pool.checkout()
            case "checkIn":
                run.pool.checkin(self._labels[operation["connection"]])
            case "clear":
                run.pool.clear(interrupt=operation.get("interruptInUseConnections", False))
            case "close":
                run.pool.close()
            case "ready":
                run.pool.ready()
            case name:
                raise AssertionError(f"unknown operation {name}")

    def _wait(self, name: str, count: int, timeout: float) -> None:
        log = self._run.log
        late = AssertionError(f"no {count} {name} among {[e['type'] for e in log.events]}")
        with gevent.Timeout(timeout, late):
            while log.count(name) < count:
                gevent.sleep(0.001)

    def _check_events(self) -> None:
        ignored = self._test.get("ignore", ())
        expected = self._test.get("events", [])

        def heard() -> list[dict[str, Any]]:
            return [event for event in self._run.log.events if event["type"] not in ignored]

        # Some come a moment after the operation that brings them about.
        until = monotonic() + 10.0
        while len(heard()) < len(expected) and monotonic() < until:
            gevent.sleep(0.001)
        # Further events may follow: the specification says nothing of them.
        found = heard()[: len(expected)]
        assert [it["type"] for it in found] == [it["type"] for it in expected], "events"
        for want, have in zip(expected, found, strict=True):
            for name, value in want.items():
                _check_fact(f"{want['type']}: {name}", value, have.get(name))


class _Thread:
    """One who does operations in order, while others do theirs."""

    def __init__(self, run: PoolRun, do: Any) -> None:
        self._waiting: Queue[dict[str, Any] | None] = Queue()
        self._greenlet = run.start(self._work, do)

    def queue(self, operation: dict[str, Any]) -> None:
        self._waiting.put(operation)

    def join(self) -> None:
        """Wait until all is done; raise what went wrong."""
        self._waiting.put(None)
        error = self._greenlet.get(timeout=_TIMEOUT_MS / 1000)
        if isinstance(error, Exception):
            raise error

    def _work(self, do: Any) -> Exception | None:
        for operation in iter(self._waiting.get, None):
            try:
                do(operation)
            except Exception as error:
                return error
        return None


def _check_fact(what: str, expected: Any, found: Any) -> None:
    if expected in _ANYTHING:
        assert found is not None, f"{what} is missing"
    elif isinstance(expected, dict):
        for name, value in expected.items():
            _check_fact(f"{what}: {name}", value, (found or {}).get(name))
    else:
        assert found == expected, f"{what}: expected {expected!r}, not {found!r}"
