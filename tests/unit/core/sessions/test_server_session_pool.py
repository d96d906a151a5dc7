from __future__ import annotations

import itertools

import pytest
from bson.binary import UUID_SUBTYPE, Binary

from greenmongo._core.sessions.server_session_pool import ServerSessionPool

TIMEOUT = 30  # minutes
LAST_MOMENT = TIMEOUT * 60 - 60.0


@pytest.fixture
def pool() -> ServerSessionPool:
    numbers = itertools.count(1)
    return ServerSessionPool(lambda: Binary(next(numbers).to_bytes(16, "big"), UUID_SUBTYPE))


def test_an_empty_pool_makes_a_session_with_an_id_of_its_own(pool: ServerSessionPool) -> None:
    one, other = pool.acquire(0.0, TIMEOUT), pool.acquire(0.0, TIMEOUT)
    assert one.lsid == {"id": one.id}
    assert one.id != other.id
    assert not one.is_dirty


def test_the_session_used_last_is_reused_first(pool: ServerSessionPool) -> None:
    one, other = pool.acquire(0.0, TIMEOUT), pool.acquire(0.0, TIMEOUT)
    pool.release(one, 1.0, TIMEOUT)
    pool.release(other, 2.0, TIMEOUT)
    assert len(pool) == 2
    assert pool.acquire(3.0, TIMEOUT) is other
    assert pool.acquire(3.0, TIMEOUT) is one
    assert len(pool) == 0


def test_a_dirty_session_is_not_reused(pool: ServerSessionPool) -> None:
    session = pool.acquire(0.0, TIMEOUT)
    session.is_dirty = True
    pool.release(session, 1.0, TIMEOUT)
    assert len(pool) == 0


@pytest.mark.parametrize(("age", "is_reused"), [(LAST_MOMENT, True), (LAST_MOMENT + 0.1, False)])
def test_a_session_is_not_used_in_the_last_minute_of_its_life(
    pool: ServerSessionPool, age: float, is_reused: bool
) -> None:
    session = pool.acquire(0.0, TIMEOUT)
    pool.release(session, 0.0, TIMEOUT)
    assert (pool.acquire(age, TIMEOUT) is session) is is_reused
    assert len(pool) == 0


def test_a_release_throws_out_what_expires(pool: ServerSessionPool) -> None:
    old, fresh = pool.acquire(0.0, TIMEOUT), pool.acquire(0.0, TIMEOUT)
    pool.release(old, 0.0, TIMEOUT)
    pool.release(fresh, LAST_MOMENT + 1, TIMEOUT)
    assert pool.drain() == [fresh]


def test_a_release_counts_as_use(pool: ServerSessionPool) -> None:
    session = pool.acquire(0.0, TIMEOUT)
    pool.release(session, 100.0, TIMEOUT)
    assert session.last_use == 100.0


def test_without_a_timeout_nothing_expires(pool: ServerSessionPool) -> None:
    session = pool.acquire(0.0, None)
    pool.release(session, 0.0, None)
    assert pool.acquire(1e9, None) is session


def test_draining_empties_the_pool_oldest_first(pool: ServerSessionPool) -> None:
    one, other = pool.acquire(0.0, TIMEOUT), pool.acquire(0.0, TIMEOUT)
    pool.release(other, 1.0, TIMEOUT)
    pool.release(one, 2.0, TIMEOUT)
    assert pool.drain() == [other, one]
    assert pool.drain() == []


def test_transaction_numbers_count_from_one(pool: ServerSessionPool) -> None:
    session = pool.acquire(0.0, TIMEOUT)
    assert [session.next_txn_number() for _ in range(3)] == [1, 2, 3]
