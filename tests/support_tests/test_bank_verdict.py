"""The verdict of the bank finds what went wrong; see `tests.chaos.bank`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from tests.chaos.bank.book import Audit, Book
from tests.chaos.bank.orders import Life, Order
from tests.chaos.bank.verdict import judge_bank, wrong_in
from tests.chaos.verdict import Finding

OPENING = 100
ACCOUNTS = 4


class World:
    """A book, and what the deployment has: without a fault of their own."""

    def __init__(self) -> None:
        self.book = Book()
        self.balances = dict.fromkeys(range(ACCOUNTS), OPENING)
        self.transfers: list[dict[str, Any]] = []
        for number in range(6):
            self.book.done(self.move(number % ACCOUNTS, (number + 1) % ACCOUNTS, 7))
        self.audit()

    def order(self, giver: int = 0, taker: int = 1, amount: int = 7) -> Order:
        order = Order(
            f"t{len(self.book.orders)}",
            giver,
            taker,
            amount,
            "block",
            patience=None,
            patience_of_read=None,
            changes_its_mind=False,
            is_thorough=False,
        )
        self.book.begins(order)
        return order

    def move(self, giver: int = 0, taker: int = 1, amount: int = 7) -> Order:
        order = self.order(giver, taker, amount)
        self.book.ends(order)
        self.balances[giver] -= amount
        self.balances[taker] += amount
        self.transfers.append(
            {"token": order.token, "giver": giver, "taker": taker, "amount": amount}
        )
        return order

    def audit(self) -> None:
        moved = {name: balance - OPENING for name, balance in self.balances.items()}
        total = sum(self.balances.values())
        self.book.audited(Audit("snapshot", dict(self.balances), total, moved))

    def wrongs(self) -> list[str]:
        findings: list[Finding] = judge_bank(self.book, self.balances, [*self.transfers], OPENING)
        return [finding.what for finding in findings if not finding.is_fine]


def test_nothing_is_found_where_all_is_well() -> None:
    assert World().wrongs() == []


def lose(world: World) -> None:
    lost = world.transfers.pop()
    world.balances[lost["giver"]] += lost["amount"]
    world.balances[lost["taker"]] -= lost["amount"]


def double(world: World) -> None:
    twice = world.transfers[0]
    world.transfers.append(twice)
    world.balances[twice["giver"]] -= twice["amount"]
    world.balances[twice["taker"]] += twice["amount"]


def do_what_failed(world: World) -> None:
    world.book.failed(world.move(), OperationFailure("no", 251))


def do_what_was_left(world: World) -> None:
    order = world.move()
    world.book.begins(order)
    world.book.left(order)


def do_what_was_refused(world: World) -> None:
    world.book.not_done(world.move())


def do_something_else(world: World) -> None:
    order = world.move()
    world.book.done(order)
    world.transfers[-1] = {**world.transfers[-1], "giver": 2}
    world.balances[0] += order.amount
    world.balances[2] -= order.amount


def do_half(world: World) -> None:
    world.balances[0] -= 7


def forget_an_update(world: World) -> None:
    world.balances[0] += 7
    world.balances[1] -= 7


def see_half(world: World) -> None:
    world.balances[0] -= 7
    world.audit()
    world.balances[0] += 7


def stay_open(world: World) -> None:
    world.order()


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lose, "acknowledged transfers missing"),
        (double, "transfers doubled"),
        (do_what_failed, "transfers that were reported as not done"),
        (do_what_was_left, "transfers that were reported as not done"),
        (do_what_was_refused, "transfers that were reported as not done"),
        (do_something_else, "transfers nobody ordered so"),
        (do_half, "audits that differ"),
        (forget_an_update, "audits that differ"),
        (see_half, "audits that differ"),
        (stay_open, "transfers without an outcome"),
    ],
)
def test_each_fault_is_found_by_the_name_it_has(spoil: Callable[[World], None], what: str) -> None:
    world = World()

    spoil(world)

    assert world.wrongs() == [what]


@pytest.mark.parametrize("is_done", [True, False])
def test_what_nobody_knows_may_be_done_or_not(is_done: bool) -> None:
    world = World()
    unknown = AutoReconnect("gone", {"errorLabels": ["UnknownTransactionCommitResult"]})
    for leave in (world.book.left, lambda order: world.book.failed(order, unknown)):
        order = world.move() if is_done else world.order()
        world.book.ends(order)
        leave(order)

    assert world.wrongs() == []


def test_an_overdrawn_account_is_wrong_although_the_total_is_right() -> None:
    assert wrong_in(Audit("snapshot", {0: -1, 1: 201}, 200), 100) == ["snapshot: 0 has -1"]


def test_a_sum_that_differs_from_the_balances_is_wrong() -> None:
    assert wrong_in(Audit("nearest", {0: 93, 1: 107}, 193), 100) == [
        "nearest: the sum is 193, not 200"
    ]


def test_the_same_seed_draws_the_same_lives() -> None:
    def lives() -> list[Life]:
        random = Random("seed")
        return [Life.draw(random, "slot", number) for number in range(50)]

    assert lives() == lives()
