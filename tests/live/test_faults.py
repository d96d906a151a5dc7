"""What a deployment of three goes through, and its callers do not notice, or not for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
from typing import Any

import pytest
from pymongo.read_preferences import ReadPreference

from bridge import AsyncMongoClient
from greenmongo.embedded import EmbeddedServerError, Member, MongoServer
from greenmongo.errors import PyMongoError

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.live,
    pytest.mark.chaos,
    pytest.mark.timeout(120),
]

TASKS = 50
TIMEOUT_MS = 2_000
PROMPTLY = 6.0
"""Seconds in which a call must have ended, on however busy a machine: the freeze lasts longer."""

Client = AsyncMongoClient[dict[str, Any]]


@pytest.fixture
def three(start_server: Callable[..., MongoServer]) -> MongoServer:
    """Provide a replica set of three members."""
    return start_server(members=3)


class Load:
    """Tasks that go on until told to stop."""

    def __init__(self, one_round: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self.errors: Counter[str] = Counter()
        self.slowest = 0.0
        self.rounds = 0
        self._round = one_round
        self._is_over = False
        self._round_ended = asyncio.Event()

    @contextlib.asynccontextmanager
    async def by(self, tasks: int) -> AsyncIterator[None]:
        """Run the rounds in this many tasks for as long as the block lasts."""
        running = [asyncio.create_task(self._run()) for _ in range(tasks)]
        try:
            yield
        finally:
            self._is_over = True
            await asyncio.gather(*running)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, looking after every round of the load."""
        while not condition():
            self._round_ended.clear()
            await self._round_ended.wait()

    async def _run(self) -> None:
        while not self._is_over:
            began = monotonic()
            try:
                await self._round()
            except PyMongoError as error:
                self.errors[f"{type(error).__name__}: {error!s:.200}"] += 1
            self.slowest = max(self.slowest, monotonic() - began)
            self.rounds += 1
            self._round_ended.set()


def primary_of(server: MongoServer) -> Member:
    primary = server.primary
    assert primary is not None
    return primary


def is_member(member: Member) -> bool:
    try:
        hello = member.hello()
    except (EmbeddedServerError, OSError):
        return False
    if hello is None:
        return False
    return bool(hello.get("secondary") or hello.get("isWritablePrimary") or hello.get("ismaster"))


def restart_one_by_one(server: MongoServer) -> None:
    """Restart the secondaries, then the primary, each once the one before is back."""
    primary = primary_of(server)
    for member in sorted(server.members, key=lambda m: m is primary):
        member.restart()
        server.wait_for_primary(60)
        while not is_member(member):
            continue


async def test_a_rolling_restart_is_not_noticed(three: MongoServer) -> None:
    written: set[int] = set()
    numbers = iter(range(10**9))
    async with AsyncMongoClient[dict[str, Any]](three.uri) as client:
        things = client.faults.things

        async def write_and_read() -> None:
            number = next(numbers)
            await things.insert_one({"_id": number})
            assert await things.find_one({"_id": number}) == {"_id": number}
            written.add(number)

        load = Load(write_and_read)
        async with load.by(TASKS):
            await load.until(lambda: len(written) > TASKS)
            await asyncio.to_thread(restart_one_by_one, three)
            enough = load.rounds + TASKS
            await load.until(lambda: load.rounds > enough)
        found = {thing["_id"] async for thing in things.find()}

    assert not load.errors
    assert found == written


async def test_a_frozen_primary_holds_up_nobody_for_long(three: MongoServer) -> None:
    frozen = primary_of(three)
    async with AsyncMongoClient[dict[str, Any]](
        three.uri, timeoutMS=TIMEOUT_MS, heartbeatFrequencyMS=1000
    ) as client:
        things = client.faults.things
        await things.insert_one({"_id": 1})
        near = things.with_options(read_preference=ReadPreference.SECONDARY)
        of_primary = Load(lambda: things.find_one({"_id": 1}))
        of_secondaries = Load(lambda: near.find_one({"_id": 1}))
        async with of_primary.by(10), of_secondaries.by(5):
            await of_secondaries.until(lambda: of_secondaries.rounds > 10)
            frozen.freeze()
            try:
                # Until the others have elected one of them.
                await of_primary.until(lambda: bool(of_primary.errors))
                await of_primary.until(lambda: is_elsewhere(client, frozen))
            finally:
                frozen.thaw()
            enough = of_primary.rounds + 100
            await of_primary.until(lambda: of_primary.rounds > enough)

    assert of_primary.slowest < PROMPTLY
    assert of_secondaries.slowest < PROMPTLY
    assert not of_secondaries.errors


def is_elsewhere(client: Client, member: Member) -> bool:
    primary = client.sync.primary
    return primary is not None and primary != member.address
