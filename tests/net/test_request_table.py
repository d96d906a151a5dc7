"""The requests of one client: contexts, counts, and the deaths of contexts.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import pytest
from gevent import Greenlet
from greenlet import greenlet

from greenmongo._core.requests.errors import RequestBroken
from greenmongo._hub.context import Context, current_context
from greenmongo._hub.thread import HubThread
from greenmongo._net.connection import Connection
from greenmongo._net.holder import RequestHolder
from greenmongo._net.request_table import RequestTable
from tests.support.fix_doors import Door, in_hub, start
from tests.support.fix_leaks import wait_until
from tests.support.hubside import hubside, open_connection


class NoPool:
    """Counts what is given back to it."""

    def __init__(self) -> None:
        self.given_back: list[Connection] = []

    def release(self, connection: Connection) -> None:
        self.given_back.append(connection)


def bind(holder: RequestHolder, pool: NoPool, connection: Connection) -> None:
    holder.bind(pool, connection)  # type: ignore[arg-type]


@hubside
def test_requests_nest_and_surplus_ends_are_harmless(hub_thread: HubThread) -> None:
    table, context = RequestTable(hub_thread), Context("test")
    assert table.depth(context) == 0
    assert [table.start(context), table.start(context)] == [1, 2]
    assert table.depth(context) == 2
    assert [table.end(context) for _ in range(4)] == [1, 0, 0, 0]
    assert table.holders == {}


@hubside
def test_contexts_have_holders_of_their_own(hub_thread: HubThread) -> None:
    table, one, other = RequestTable(hub_thread), Context("test"), Context("test")
    table.start(one)
    assert (table.depth(one), table.depth(other)) == (1, 0)
    table.end(other)
    assert table.depth(one) == 1


@hubside
def test_the_end_gives_every_members_connection_back(hub_thread: HubThread) -> None:
    table, context = RequestTable(hub_thread), Context("test")
    table.start(context)
    holder, pools = table.holders[context.token], [NoPool(), NoPool()]
    with open_connection() as (one, _), open_connection() as (other, _):
        other.server_connection_id = 7
        bind(holder, pools[0], one)
        bind(holder, pools[1], other)
        assert table.connection_id(context) == 7
        table.end(context)
        assert [pool.given_back for pool in pools] == [[one], [other]]
        assert (one.holder, other.holder) == (None, None)
    assert table.connection_id(context) is None


@hubside
def test_clearing_releases_every_holder(hub_thread: HubThread) -> None:
    table, contexts, pool = RequestTable(hub_thread), [Context("a"), Context("b")], NoPool()
    for context in contexts:
        table.start(context)
    with open_connection() as (connection, _):
        bind(table.holders[contexts[0].token], pool, connection)
        table.clear()
        assert pool.given_back == [connection]
    assert table.holders == {}


@hubside
def test_a_strict_request_is_told_once_of_each_loss(hub_thread: HubThread) -> None:
    table, context, pool = RequestTable(hub_thread), Context("test"), NoPool()
    table.start(context)
    table.start(context, strict=True)
    holder = table.holders[context.token]
    with open_connection() as (connection, _):
        for _ in range(2):
            bind(holder, pool, connection)
            holder.raise_if_broken()
            holder.unbind(pool, broken=True)  # type: ignore[arg-type]
            with pytest.raises(RequestBroken):
                holder.raise_if_broken()
            holder.raise_if_broken()


@hubside
def test_another_request_forgets_the_loss(hub_thread: HubThread) -> None:
    table, context, pool = RequestTable(hub_thread), Context("test"), NoPool()
    table.start(context)
    holder = table.holders[context.token]
    with open_connection() as (connection, _):
        bind(holder, pool, connection)
        holder.unbind(pool, broken=True)  # type: ignore[arg-type]
        holder.raise_if_broken()
        holder.strict = True
        holder.raise_if_broken()


# -- contexts and their death ----------------------------------------------------------------------


def test_a_thread_is_one_context_whatever_it_calls(hub_thread: HubThread) -> None:
    def identify() -> list[Context]:
        return [current_context(use_greenlets=flag) for flag in (False, True, False)]

    one, other = (start(identify).result(5) for _ in range(2))
    assert len({id(context) for context in one}) == 1
    assert one[0].token != other[0].token
    assert repr(one[0]) == f"<Context thread #{one[0].token}>"


def test_greenlets_are_contexts_in_a_thread_with_a_hub(hub_thread: HubThread) -> None:
    def identify() -> set[int]:
        def mine() -> int:
            one = current_context(use_greenlets=False)
            gevent.sleep(0)
            assert current_context(use_greenlets=False) is one
            return one.token

        tokens = {each.get() for each in [gevent.spawn(mine) for _ in range(5)]}
        return tokens | {current_context(use_greenlets=False).token}

    assert len(in_hub(identify)) == 6


def test_raw_greenlets_are_contexts_only_if_asked_for(hub_thread: HubThread) -> None:
    def identify(use_greenlets: bool) -> set[int]:
        tokens = [current_context(use_greenlets=use_greenlets).token]
        for _ in range(2):
            child = greenlet(lambda: current_context(use_greenlets=use_greenlets).token)
            tokens.append(child.switch())
        return set(tokens)

    assert len(start(identify, False).result(5)) == 1
    assert len(start(identify, True).result(5)) == 3


@hubside
def test_a_call_on_the_hub_thread_is_its_callers_context(hub_thread: HubThread) -> None:
    context = current_context(use_greenlets=False)
    assert current_context(use_greenlets=True) is context
    assert hub_thread.call(current_context, use_greenlets=False) is context


def test_G04_G05_G06_a_context_that_died_leaves_its_request(
    hub_thread: HubThread, door: Door
) -> None:
    table = RequestTable(hub_thread)

    def leak(fails: bool) -> None:
        hub_thread.call(table.start, current_context(use_greenlets=False))
        if fails:
            raise ZeroDivisionError

    door.call(leak, False)
    with pytest.raises(ZeroDivisionError):
        door.call(leak, True)
    gc.collect()
    gevent.sleep(0)
    # A thread ends after it has told its result.
    wait_until(lambda: table.holders == {})


def test_G06_a_raw_greenlet_dies_with_its_memory(hub_thread: HubThread) -> None:
    table = RequestTable(hub_thread)

    def leak() -> tuple[int, int]:
        def in_request() -> None:
            hub_thread.call(table.start, current_context(use_greenlets=True))

        raw = greenlet(in_request)
        raw.switch()
        hub_thread.call(int)
        before = len(table.holders)
        del raw, in_request
        gc.collect()
        hub_thread.call(int)
        return before, len(table.holders)

    assert start(leak).result(5) == (1, 0)


@pytest.mark.parametrize("kind", ["thread", "raw greenlet", "call"])
def test_a_traceback_that_is_kept_keeps_no_request(hub_thread: HubThread, kind: str) -> None:
    table = RequestTable(hub_thread)

    def leak() -> ZeroDivisionError:
        context = current_context(use_greenlets=True)
        hub_thread.call(table.start, context)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            return error

    def in_a_raw_greenlet() -> ZeroDivisionError:
        outcome: ZeroDivisionError = greenlet(leak).switch()
        return outcome

    kinds: dict[str, Callable[[], Any]] = {
        "thread": lambda: start(leak).result(5),
        "raw greenlet": lambda: start(in_a_raw_greenlet).result(5),
        "call": lambda: hub_thread.call(leak),
    }
    kept = kinds[kind]()
    gc.collect()
    wait_until(lambda: table.holders == {})
    assert kept.__traceback__.tb_frame.f_locals["context"]


def test_G09_tokens_are_never_given_twice(hub_thread: HubThread) -> None:
    def many() -> list[int]:
        return [
            gevent.spawn(lambda: current_context(use_greenlets=True).token).get()
            for _ in range(200)
        ]

    assert len(set(in_hub(many))) == 200


def test_G11_a_watcher_that_was_withdrawn_is_not_called(hub_thread: HubThread, door: Door) -> None:
    told: list[int] = []
    ended: list[int] = []

    def be_watched() -> None:
        context = current_context(use_greenlets=True)
        context.watch(told.append)
        context.watch(ended.append)
        context.unwatch(told.append)
        context.unwatch(told.append)

    door.call(be_watched)
    gc.collect()
    wait_until(lambda: ended)
    assert told == []


def test_G12_contexts_are_told_apart_and_the_watched_one_tells_once(
    hub_thread: HubThread, door: Door
) -> None:
    told: list[int] = []
    together = door.barrier(3)

    def live(is_watched: bool) -> int:
        context = current_context(use_greenlets=True)
        if is_watched:
            context.watch(told.append)
        together()
        assert current_context(use_greenlets=True) is context
        return context.token

    tokens = door.gather(*(partial(live, n == 1) for n in range(3)))
    gc.collect()
    wait_until(lambda: told)
    assert len({*tokens, current_context(use_greenlets=True).token}) == 4
    assert told == [tokens[1]]


def test_G13_every_context_counts_for_itself(hub_thread: HubThread, door: Door) -> None:
    table = RequestTable(hub_thread)
    together = door.barrier(10)

    def count(n: int) -> list[int]:
        context = current_context(use_greenlets=True)
        seen = [hub_thread.call(table.end, context)]
        for _ in range(n):
            seen.append(hub_thread.call(table.start, context))
            together()
        for _ in range(10 - n):
            together()
        return seen + [hub_thread.call(table.end, context) for _ in range(n + 1)]

    for n, seen in enumerate(door.gather(*(partial(count, n) for n in range(10)))):
        assert seen == [0, *range(1, n + 1), *reversed(range(n)), 0]
    assert table.holders == {}


def test_a_context_that_is_dead_already_tells_at_once() -> None:
    """A call may run on for a greenlet that was killed."""
    told: list[int] = []
    context = Context("test")
    context.expire()
    context.watch(told.append)
    assert told == [context.token]


def test_a_watcher_may_be_withdrawn_at_the_very_moment_of_the_death() -> None:
    class Emptied(set[Callable[[int], object]]):
        """What another thread leaves between a look and a grasp."""

        def __bool__(self) -> bool:
            return True

    context = Context("test")
    context._watchers = Emptied()
    context.expire()


@hubside
def test_a_context_keeps_no_table_whose_client_is_closed(hub_thread: HubThread) -> None:
    context = Context("test")
    for end in ("end", "clear"):
        table = RequestTable(hub_thread)
        table.start(context)
        table.end(context) if end == "end" else table.clear()
        assert context._watchers == set()


def test_G14_a_context_keeps_no_watcher_however_many_requests_it_makes(
    hub_thread: HubThread, door: Door
) -> None:
    table = RequestTable(hub_thread)

    def request_often() -> tuple[int, int]:
        context, most = current_context(use_greenlets=True), 0
        for _ in range(100):
            hub_thread.call(table.start, context)
            hub_thread.call(table.start, context)
            most = max(most, len(context._watchers))
            hub_thread.call(table.end, context)
            hub_thread.call(table.end, context)
        return most, len(context._watchers)

    assert door.call(request_often) == (1, 0)


class CountingGreenlet(Greenlet):  # type: ignore[type-arg]  # it takes none when it runs
    """Counts the links to its end."""

    links = 0

    def rawlink(self, callback: Callable[..., object]) -> None:
        self.links += 1
        super().rawlink(callback)


def test_G14_a_greenlet_gets_one_link_however_many_requests_it_makes(
    hub_thread: HubThread,
) -> None:
    table = RequestTable(hub_thread)

    def request_often() -> None:
        for _ in range(1000):
            context = current_context(use_greenlets=True)
            hub_thread.call(table.start, context)
            hub_thread.call(table.end, context)

    def count() -> int:
        greenlet = CountingGreenlet(request_often)
        greenlet.start()
        while not greenlet.ready():
            gevent.sleep(0.001)
        return greenlet.links

    assert in_hub(count) == 1


def test_G21_the_death_of_a_context_neither_waits_nor_switches(hub_thread: HubThread) -> None:
    table = RequestTable(hub_thread)

    def die_in_the_hub() -> None:
        context = current_context(use_greenlets=True)
        hub_thread.call(table.start, context)
        # In a hub nothing can wait; and from the finaliser of an object it must not raise.
        gevent.get_hub().loop.run_callback(context.expire)
        gevent.sleep(0)

    in_hub(die_in_the_hub)
    hub_thread.call(int)
    assert table.holders == {}
    hub_thread.stop_and_join()
    table.forget_soon(1)
