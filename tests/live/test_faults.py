"""What a deployment of three goes through, and its callers do not notice, or not for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
from typing import Any, TypeAlias

import pytest
from pymongo.read_preferences import ReadPreference

from bridge import AsyncMongoClient
from greenmongo.embedded import EmbeddedServerError, Member, MongoServer
from greenmongo.errors import PyMongoError
from tests.support.fix_faults import FaultProxy
from tests.support.native import Address

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.live,
    pytest.mark.chaos,
    pytest.mark.timeout(120),
]

TASKS = 100
TIMEOUT_MS = 500
PROMPTLY = 0.6
"""Seconds in which a call with that limit must have ended."""
FREEZE = 20.0
HEARTBEAT_MS = 1000

Client: TypeAlias = AsyncMongoClient[dict[str, Any]]


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
        self.good = 0
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
                self.good += 1
            except PyMongoError as error:
                self.errors[f"{type(error).__name__}: {error!s:.200}"] += 1
            self.slowest = max(self.slowest, monotonic() - began)
            self.rounds += 1
            self._round_ended.set()


class Lateness:
    """How late the loop itself has been at worst: what a busy machine adds to any time measured."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def __aenter__(self) -> Lateness:
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._task.cancel()

    async def _measure(self) -> None:
        while True:
            due = monotonic() + 0.01
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, monotonic() - due)


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
    async with Client(three.uri) as client:
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


async def test_a_frozen_primary_holds_up_nobody(three: MongoServer) -> None:
    frozen = primary_of(three)
    async with Client(three.uri, w=3) as client:
        await client.faults.things.insert_one({"_id": 1})
    options: dict[str, Any] = {"timeoutMS": TIMEOUT_MS, "heartbeatFrequencyMS": HEARTBEAT_MS}
    direct_uri = f"mongodb://{frozen.host}/?directConnection=true"
    async with Client(three.uri, **options) as client, Client(direct_uri, **options) as direct:
        things = client.faults.things
        near = things.with_options(read_preference=ReadPreference.SECONDARY)
        of_primary = Load(lambda: things.find_one({"_id": 1}))
        of_secondaries = Load(lambda: near.find_one({"_id": 1}))
        of_frozen = Load(lambda: direct.faults.things.find_one({"_id": 1}))
        loads = (of_primary, of_secondaries, of_frozen)
        async with of_primary.by(10), of_secondaries.by(5), of_frozen.by(5), Lateness() as lateness:
            for load in loads:
                await load.until(lambda load=load: load.rounds > 10)  # type: ignore[misc]
            frozen.freeze()
            try:
                thawed_at = monotonic() + FREEZE
                # Until the others have elected one of them.
                await of_primary.until(lambda: bool(of_primary.errors))
                await of_primary.until(lambda: is_elsewhere(client, frozen))
                after_election = of_primary.good + 100
                await of_primary.until(lambda: of_primary.good > after_election)
                await asyncio.sleep(thawed_at - monotonic())
            finally:
                thawed_at = monotonic()
                frozen.thaw()
            good = of_frozen.good
            await of_frozen.until(lambda: of_frozen.good > good)
            recovered_in = monotonic() - thawed_at

    assert not of_secondaries.errors
    assert max(load.slowest for load in loads) < PROMPTLY + lateness.worst
    assert recovered_in < HEARTBEAT_MS / 1000 + lateness.worst


async def test_a_primary_that_is_cut_off_loses_nothing(
    start_server: Callable[..., MongoServer], fault_proxy: Callable[[Address], FaultProxy]
) -> None:
    proxies: dict[Address, FaultProxy] = {}

    def advertise(address: Address) -> str:
        proxies[address] = fault_proxy(address)
        return proxies[address].host

    server = start_server(members=3, advertise=advertise)
    cut_off = primary_of(server)
    proxy = proxies[cut_off.address]
    written: set[int] = set()
    numbers = iter(range(10**9))
    async with Client(server.uri, heartbeatFrequencyMS=HEARTBEAT_MS) as client:
        things = client.faults.things

        async def write() -> None:
            number = next(numbers)
            await things.insert_one({"_id": number})
            written.add(number)

        load = Load(write)
        async with load.by(20):
            await load.until(lambda: len(written) > 100)
            # The others cannot reach it any more, and neither can we.
            proxy.refuse()
            proxy.cut()
            await load.until(lambda: client.sync.primary not in (None, proxy.address))
            enough = load.good + 100
            await load.until(lambda: load.good > enough)
            proxy.restore()
            await load.until(lambda: proxy.address in client.sync.secondaries)
        found = {thing["_id"] async for thing in things.find()}

    # Whoever is interrupted twice is told; whoever was told that all is well keeps it.
    assert written <= found
    assert sum(load.errors.values()) <= 20


def is_elsewhere(client: Client, member: Member) -> bool:
    primary = client.sync.primary
    return primary is not None and primary != member.address
