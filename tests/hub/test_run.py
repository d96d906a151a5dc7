"""greenmongo.run: ordinary functions on a greenlet of the hub thread."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import gevent
import pytest

import greenmongo
from tests.support.fix_doors import Door
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def test_arguments_go_in_and_the_result_comes_out(door: Door) -> None:
    def joined(*parts: str, context: str) -> str:
        return context.join(parts)

    assert door.call(lambda: greenmongo.run(joined, "a", "b", context="-")) == "a-b"


def test_an_error_comes_out_as_it_is(door: Door) -> None:
    error = KeyError("mine")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        door.call(lambda: greenmongo.run(fail))
    assert caught.value is error


def test_run_within_run_stays_where_it_is(door: Door) -> None:
    def outer() -> tuple[object, object]:
        return gevent.getcurrent(), greenmongo.run(gevent.getcurrent)

    outside, inside = door.call(lambda: greenmongo.run(outer))
    assert outside is inside


def test_the_callers_context_variables_are_seen_and_left_alone() -> None:
    def change() -> str:
        before = who.get()
        who.set("the hub")
        return before

    token = who.set("the caller")
    try:
        assert greenmongo.run(change) == "the caller"
        assert who.get() == "the caller"
    finally:
        who.reset(token)
    assert greenmongo.run(who.get) == "nobody"


def test_a_thousand_greenlets_use_one_client_and_no_new_thread(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=10)
    client.admin.command("ping")
    threads = threading.active_count()

    def ping() -> Any:
        return client.admin.command("ping")["ok"]

    def thousand() -> tuple[float, int]:
        greenlets = [gevent.spawn(ping) for _ in range(1000)]
        gevent.joinall(greenlets)
        return sum(g.get() for g in greenlets), threading.active_count()

    answered, during = greenmongo.run(thousand)
    assert answered == 1000
    # The fake server has a thread for each connection.
    assert during <= threads + 10
