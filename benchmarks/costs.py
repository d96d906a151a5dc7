"""`python -m benchmarks.costs`: what an operation costs, counted instead of timed.

Counts do not depend on how busy the machine is, so a test can hold them: `tests/benchmarks` fails
when one has grown by more than `TOLERANCES` over what `costs.json` has. Calls are those of Python
functions of greenmongo and bridge, on the loop's side and on the hub's. Instructions are those of
the process outside the kernel, of all threads, as valgrind's callgrind counts them; they depend on
the build of Python, so they are kept with what they were counted on.

    python -m benchmarks.costs              # compare with what is kept
    python -m benchmarks.costs --update     # keep the calls that are found
    python -m benchmarks.costs --instructions --update     # both
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from pymongo.monitoring import CommandListener

from benchmarks.measure import COLLECTION, DATABASE, DOCUMENT, FILTER, PAIR
from benchmarks.server import FixedServer

__all__ = ["KEPT", "TOLERANCES", "calls", "compare", "environment", "instructions", "kept"]

ROOT = Path(__file__).parent.parent
KEPT = Path(__file__).parent / "costs.json"
CALLS, INSTRUCTIONS = "calls", "instructions"
TOLERANCES = {CALLS: 1.05, INSTRUCTIONS: 1.1}
"""How often threads wake each other differs from run to run: up to 5 % of the instructions."""

_WARM_UP, _COUNTED = 20, 60
_PARTS, _TASKS, _EACH = 3, 20, 5
"""Instructions: parts, of which the least counts; tasks; calls of each."""
_OWN = (f"{ROOT}/greenmongo/", f"{ROOT}/bridge/")
_UPDATE = {"$set": {"n": 1}}

Operation = Callable[[], Awaitable[Any]]
Costs = dict[str, int]


class Silent(CommandListener):
    """A listener that does nothing."""

    def started(self, event: Any) -> None:
        """Do nothing."""

    succeeded = failed = started


def python() -> str:
    """Return the version that counts of calls are kept for: functions differ between them."""
    return f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}"


def environment() -> str:
    """Return what counts of instructions are kept for."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("gevent", "greenlet", "pymongo"))
    return f"CPython {platform.python_version()} {platform.machine()}, {packages}"


# --- what is counted ------------------------------------------------------------------------


def operations(client: Any, listening: Any) -> Mapping[str, Operation]:
    """Return the operations: each once, of one task."""
    things, pair = client[DATABASE][COLLECTION], client[DATABASE][PAIR]
    return {
        "find_one": lambda: things.find_one(FILTER),
        "insert_one": lambda: things.insert_one(dict(DOCUMENT)),
        "update_one": lambda: things.update_one(FILTER, _UPDATE),
        "delete_one": lambda: things.delete_one(FILTER),
        "find_one_and_update": lambda: things.find_one_and_update(FILTER, _UPDATE),
        "aggregate": lambda: _aggregate(things),
        "find with a getMore": lambda: pair.find({}, batch_size=2).to_list(),
        "insert_many of 3": lambda: things.insert_many([{"_id": n} for n in range(3)]),
        "find_one with a listener": lambda: listening[DATABASE][COLLECTION].find_one(FILTER),
    }


async def _aggregate(things: Any) -> Any:
    return await (await things.aggregate([{"$match": FILTER}])).to_list()


@contextmanager
def _clients(uri: str) -> Iterator[tuple[Any, Any]]:
    from bridge import AsyncMongoClient

    # No heartbeat comes in between.
    options: dict[str, Any] = {"heartbeatFrequencyMS": 3_600_000}
    listening: Any = AsyncMongoClient(uri, event_listeners=[Silent()], **options)
    yield AsyncMongoClient(uri, **options), listening


async def each_operation(
    uri: str, count: Callable[[str, Operation], Awaitable[None]], begin: Callable[[], None]
) -> None:
    """Have every operation counted, the last one in a request; `begin` is run on the hub before."""
    import greenmongo

    with _clients(uri) as (client, listening):
        async with client, listening:
            # From here on the hub thread is there to stay.
            await client.admin.command("ping")
            await asyncio.to_thread(greenmongo.run, begin)
            for name, operation in operations(client, listening).items():
                await count(name, operation)
            async with client.start_request():
                things = client[DATABASE][COLLECTION]
                await count("find_one in a request", lambda: things.find_one(FILTER))


# --- calls ----------------------------------------------------------------------------------


class _Calls:
    """Counts the calls of our functions, in the threads where it is installed."""

    def __init__(self) -> None:
        self.count = 0
        self._is_own: dict[Any, bool] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            is_own = self._is_own.get(code)
            if is_own is None:
                is_own = self._is_own[code] = code.co_filename.startswith(_OWN)
            self.count += is_own


async def _fewest_calls(calls: _Calls, operation: Operation) -> int:
    """Return what the operation takes when nothing comes in between, as timers do."""
    found = []
    for turn in range(_WARM_UP + _COUNTED):
        before = calls.count
        await operation()
        # What is left to do on the hub afterwards belongs to the operation.
        await asyncio.sleep(0.001)
        if turn >= _WARM_UP:
            found.append(calls.count - before)
    return min(found)


async def _count_calls(uri: str) -> Costs:
    from greenlet import settrace

    calls, found = _Calls(), Costs()

    async def count(name: str, operation: Operation) -> None:
        found[name] = await _fewest_calls(calls, operation)

    def count_on_the_hub() -> None:
        # Python forgets the profile function where it switches to another greenlet.
        settrace(lambda *_: sys.setprofile(calls))

    sys.setprofile(calls)
    try:
        await each_operation(uri, count, count_on_the_hub)
    finally:
        sys.setprofile(None)
    return found


def calls() -> Costs:
    """Count the calls of our functions that each operation takes."""
    return _in_a_process([sys.executable], CALLS)


# --- instructions ---------------------------------------------------------------------------

_MARK = "sched_get_priority_max"
"""A function of the C library that nothing else calls: callgrind writes its counts before it."""


def _mark() -> None:
    os.sched_get_priority_max(os.SCHED_OTHER)


async def _name_instructions(uri: str) -> Costs:
    """Have the instructions of each operation between two marks; return how often it was called.

    Tasks call at the same time: how often a lonely one has the threads wake each other is chance.
    """
    found = Costs()

    async def repeat(operation: Operation) -> None:
        for _ in range(_EACH):
            await operation()

    async def crowd(operation: Operation) -> None:
        await asyncio.gather(*(repeat(operation) for _ in range(_TASKS)))

    async def count(name: str, operation: Operation) -> None:
        if "request" in name:
            # Its connection is one task's.
            return
        await crowd(operation)
        _mark()
        for _ in range(_PARTS):
            await crowd(operation)
            _mark()
        found[name] = _TASKS * _EACH

    # It comes when it comes, and no operation leaves work for it.
    gc.disable()
    await each_operation(uri, count, lambda: None)
    return found


def instructions() -> Costs:
    """Count the instructions outside the kernel that each operation takes, of all threads.

    Raises:
        FileNotFoundError: valgrind is not installed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise FileNotFoundError("valgrind is not installed: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        counted = _in_a_process(
            [
                *(
                    valgrind,
                    "--tool=callgrind",
                    "-q",
                    "--fair-sched=try",
                    f"--callgrind-out-file={out}",
                ),
                *(f"--dump-before={_MARK}", sys.executable),
            ],
            INSTRUCTIONS,
        )
        numbers = range(1, (1 + _PARTS) * len(counted) + 1)
        totals = [_total(Path(f"{out}.{number}")) for number in numbers]
    found = Costs()
    for index, (name, number) in enumerate(counted.items()):
        first = index * (1 + _PARTS)
        # Before the first mark is what came before. Timers that fire belong to no operation.
        found[name] = min(totals[first + 1 : first + 1 + _PARTS]) // number
    return found


def _total(path: Path) -> int:
    found = re.search(r"^totals: (\d+)$", path.read_text(errors="replace"), re.MULTILINE)
    assert found is not None, path
    return int(found[1])


def _in_a_process(launcher: list[str], kind: str) -> Costs:
    """Count in a process of its own, so that nothing that ran before counts."""
    with FixedServer() as server:
        done = subprocess.run(
            [*launcher, "-m", "benchmarks.costs", "--inside", kind, server.uri],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found: Costs = json.loads(done.stdout)
    return found


# --- what is kept ---------------------------------------------------------------------------


def kept(kind: str) -> Costs | None:
    """Return what is kept for this Python; None if nothing is."""
    every: dict[str, dict[str, Costs]] = json.loads(KEPT.read_text())
    return every[kind].get(python() if kind == CALLS else environment())


def keep(kind: str, found: Costs) -> None:
    """Write what was found into `costs.json`."""
    every = json.loads(KEPT.read_text()) if KEPT.exists() else {CALLS: {}, INSTRUCTIONS: {}}
    if kind == INSTRUCTIONS:
        # Of one environment only: that of those who update.
        every[kind] = {}
    every[kind][python() if kind == CALLS else environment()] = found
    KEPT.write_text(json.dumps(every, indent=2) + "\n")


def compare(found: Costs, before: Costs, tolerance: float = TOLERANCES[CALLS]) -> list[str]:
    """Return a line for each operation that has grown too much, or is not kept at all."""
    too_much = []
    for name, count in found.items():
        limit = before.get(name, 0)
        # What comes in between may be a call or two.
        if count > max(limit * tolerance, limit + 2):
            too_much.append(f"{name}: {count:,} instead of {limit:,}")
    return too_much


def table(kind: str, found: Costs, before: Costs | None) -> str:
    """Return a line for each operation."""
    from benchmarks.report import lay_out

    rows = [(kind, "now", "kept", "ratio")]
    for name, count in found.items():
        limit = (before or {}).get(name)
        rows.append(
            (name, f"{count:,}", *((f"{limit:,}", f"{count / limit:.3f}") if limit else ("", "")))
        )
    return lay_out(rows)


def main() -> int:
    """Count and compare, or keep; 1 if something has grown too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs")
    parser.add_argument("--update", action="store_true", help="keep what is found")
    parser.add_argument("--instructions", action="store_true", help="count these as well")
    parser.add_argument("--inside", nargs=2, metavar=("KIND", "URI"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        kind, uri = options.inside
        count = _count_calls if kind == CALLS else _name_instructions
        sys.stdout.write(json.dumps(asyncio.run(count(uri))))
        return 0
    grown = []
    for kind in (CALLS, INSTRUCTIONS) if options.instructions else (CALLS,):
        found = calls() if kind == CALLS else instructions()
        before = kept(kind) if KEPT.exists() else None
        print(table(kind, found, before))
        if options.update:
            keep(kind, found)
        elif before is not None:
            grown += compare(found, before, TOLERANCES[kind])
    print("\n".join(grown), end="\n" if grown else "")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
