"""Event loops: the same test on asyncio, asyncio with uvloop, asyncio with eager tasks, and trio.

Tests marked `anyio` run on each of `LOOPS`; those that need asyncio's own functions say
`@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)`. `Run` is for tests that start loops
themselves, in threads for instance.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest

from bridge import AsyncMongoClient
from greenmongo._hub.native import allocate_lock
from greenmongo._hub.thread import HubThread
from greenmongo.lowlevel import thread_of
from tests.support.fix_doors import start
from tests.support.fix_leaks import wait_until

__all__ = [
    "ASYNCIO_LOOPS",
    "LOOPS",
    "TRIO",
    "Client",
    "Connect",
    "Run",
    "anyio_backend",
    "connect",
    "eventually",
    "let_results_arrive",
    "run_on_loop",
    "silent_hub",
    "standing_still",
]

T = TypeVar("T")

Client = AsyncMongoClient[dict[str, Any]]
Connect = Callable[..., Client]
Run = Callable[[Callable[[], Awaitable[T]]], T]

PATIENCE = 15.0


def eager_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose tasks run to their first wait as soon as they are made."""
    loop = asyncio.new_event_loop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


ASYNCIO_LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(
        ("asyncio", {"use_uvloop": True}),
        id="uvloop",
        marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop is for POSIX"),
    ),
]
if sys.version_info >= (3, 12):
    ASYNCIO_LOOPS.append(pytest.param(("asyncio", {"loop_factory": eager_loop}), id="eager"))
TRIO = pytest.param(("trio", {}), id="trio")
LOOPS = [*ASYNCIO_LOOPS, TRIO]


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Provide each kind of loop in turn."""
    return request.param


@pytest.fixture
def run_on_loop(anyio_backend: tuple[str, dict[str, Any]]) -> Run[Any]:
    """Provide a function that runs a coroutine function on a new loop in the calling thread."""
    name, options = anyio_backend
    return lambda fn: anyio.run(fn, backend=name, backend_options=options)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Provide a function that opens an async client, which is closed after the test."""
    async with AsyncExitStack() as stack:

        def open_client(uri: str, **options: Any) -> Client:
            defaults = {
                "serverSelectionTimeoutMS": 15_000,
                "retryReads": False,
                "retryWrites": False,
            }
            client: Client = AsyncMongoClient(uri, **(defaults | options))
            stack.push_async_callback(client.close)
            return client

        yield open_client


@pytest.fixture
def silent_hub(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Fail the test if the hub thread, or a loop, had to print an error that nobody caught."""
    yield
    assert "Traceback" not in capfd.readouterr().err


@contextmanager
def standing_still(thread: HubThread) -> Iterator[None]:
    """Keep the hub from running anything."""
    entered, leave = allocate_lock(), allocate_lock()
    entered.acquire()
    leave.acquire()

    def stand() -> None:
        entered.release()
        leave.acquire()

    thread.submit(stand)
    entered.acquire()
    try:
        yield
    finally:
        leave.release()


def let_results_arrive(client: Client) -> None:
    """Block the loop until the hub has sent it the results of all calls that do not wait.

    They are then in the loop's queue, behind what was there, and no task has seen them yet.
    """
    thread = thread_of(client.sync)
    wait_until(lambda: not thread.workers.busy)
    # The second one begins after the pass of the hub's loop that flushed what came of the first.
    for _ in range(2):
        start(thread.call, int).result(PATIENCE)


async def eventually(condition: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Let the loop and the hub go on until `condition` is true.

    Raises:
        TimeoutError: it did not become true.
    """
    with anyio.fail_after(timeout):
        while not condition():  # noqa: ASYNC110  # what nobody announces has to be looked for
            await anyio.sleep(0.001)
