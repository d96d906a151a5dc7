"""Where no loop is known, `block_on` runs coroutines on a loop that the process keeps for this."""

from __future__ import annotations

import asyncio
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from bridge import block_on
from bridge._crossing.process_loop import process_loop
from bridge.errors import MisuseError
from tests.support.fix_doors import in_hub, start
from tests.support.fix_hub import run_program, without_reports

PATIENCE = 15.0


async def place() -> tuple[asyncio.AbstractEventLoop, int]:
    await asyncio.sleep(0)
    return asyncio.get_running_loop(), threading.get_ident()


@pytest.mark.parametrize("place_of_caller", [lambda fn: fn(), in_hub], ids=["thread", "greenlet"])
def test_threads_and_greenlets_share_one_loop(
    place_of_caller: Callable[[Callable[[], Any]], Any],
) -> None:
    calls = [start(place_of_caller, lambda: block_on(place())) for _ in range(8)]
    found = {call.result(PATIENCE) for call in calls}
    ((loop, ident),) = found
    assert loop is process_loop()
    assert ident != threading.get_ident()


def test_greenlets_wait_without_holding_each_other_up() -> None:
    def many() -> list[int]:
        barrier: list[int] = []
        all_there = asyncio.Event()

        async def meet(n: int) -> int:
            barrier.append(n)
            if len(barrier) == 50:
                all_there.set()
            await all_there.wait()
            return n

        waiting = [gevent.spawn(block_on, meet(n)) for n in range(50)]
        gevent.joinall(waiting, timeout=PATIENCE, raise_error=True)
        return [each.get() for each in waiting]

    assert start(in_hub, many).result(PATIENCE) == list(range(50))


def test_on_the_loop_itself_it_is_misuse() -> None:
    async def nested() -> None:
        block_on(place())

    with pytest.raises(MisuseError, match="await the coroutine"):
        block_on(nested())


def run(script: str) -> str:
    """Run a program and return what it printed; nothing may stand on its standard error."""
    done = run_program(textwrap.dedent(script), timeout=60)
    assert (done.returncode, without_reports(done.stderr)) == (0, "")
    return done.stdout


def test_at_exit_its_tasks_are_cancelled_and_clean_up() -> None:
    assert (
        run("""
        import asyncio
        from bridge import block_on

        async def serve():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                print("cleaned up", flush=True)

        async def begin():
            tasks.append(asyncio.create_task(serve()))
            await asyncio.sleep(0)

        tasks = []
        block_on(begin())
        """)
        == "cleaned up\n"
    )


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    assert (
        run("""
        import asyncio, os
        from bridge import block_on

        async def loop():
            return asyncio.get_running_loop()

        parent = block_on(loop())
        pid = os.fork()
        if not pid:
            os._exit(0 if block_on(loop()) is not parent else 1)
        print(os.waitpid(pid, 0)[1], block_on(loop()) is parent)
        """)
        == "0 True\n"
    )


@pytest.mark.gevent_patched
def test_in_a_patched_process_views_on_greenlets_await_libraries() -> None:
    assert (
        run("""
        from gevent import monkey; monkey.patch_all()
        import asyncio, gevent
        from bridge import block_on

        async def double(n):
            await asyncio.sleep(0.001)
            return 2 * n

        views = [gevent.spawn(block_on, double(n)) for n in range(20)]
        gevent.joinall(views, raise_error=True)
        print(sum(view.get() for view in views))
        """)
        == "380\n"
    )


def test_after_the_exit_it_says_so() -> None:
    assert (
        run("""
        import atexit

        def late():
            coroutine = nothing()
            try:
                block_on(coroutine)
            except LoopClosed as error:
                print(error)

        atexit.register(late)
        from bridge import block_on
        from bridge.errors import LoopClosed

        async def nothing():
            pass
        """)
        == "the process ends, and its event loop with it\n"
    )
