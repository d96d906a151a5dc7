"""What must be true of a bank. Pure: it compares what callers know with what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.chaos.bank.book import Audit, Book, Outcome
from tests.chaos.verdict import Finding, absent

__all__ = ["judge_bank", "wrong_in", "wrong_orders"]


def judge_bank(
    book: Book, balances: Mapping[int, int], transfers: list[Mapping[str, Any]], opening: int
) -> list[Finding]:
    """Compare accounts and transfers with what callers know, and look at every audit.

    Args:
        balances: of each account, at the end.
        transfers: the documents that transfers have left: token, giver, taker, amount.
        opening: what each account had at first.
    """
    there = Counter(str(transfer["token"]) for transfer in transfers)
    done, not_done = book.tokens(Outcome.DONE), book.tokens(Outcome.NOT_DONE)
    pending = book.tokens(Outcome.INSIDE) | book.tokens(Outcome.ENDING)
    end = Audit("the end", balances, sum(balances.values()), moved_by(transfers))
    return [
        Finding("acknowledged transfers", bool(done), f"{len(done)}"),
        Finding("audits", bool(book.audits), f"{len(book.audits)}"),
        absent("acknowledged transfers missing", sorted(done - there.keys())),
        absent("transfers doubled", sorted(each for each, count in there.items() if count > 1)),
        absent("transfers that were reported as not done", sorted(not_done & there.keys())),
        absent("transfers nobody ordered so", wrong_orders(book, transfers)),
        absent("transfers without an outcome", sorted(pending)),
        absent(
            "audits that differ",
            [line for audit in (*book.audits, end) for line in wrong_in(audit, opening)],
        ),
    ]


def wrong_in(audit: Audit, opening: int) -> list[str]:
    """Return what is wrong in an audit, if anything."""
    expected = opening * len(audit.balances)
    found = []
    if sum(audit.balances.values()) != expected:
        found.append(f"the balances make {sum(audit.balances.values())}, not {expected}")
    if audit.total != expected:
        found.append(f"the sum is {audit.total}, not {expected}")
    found += [f"{name} has {each}" for name, each in audit.balances.items() if each < 0]
    if audit.moved is not None:
        found += [
            f"{name} has {balance}, but transfers make {opening + audit.moved.get(name, 0)}"
            for name, balance in sorted(audit.balances.items())
            if balance != opening + audit.moved.get(name, 0)
        ]
    return [f"{audit.how}: {line}" for line in found]


def wrong_orders(book: Book, transfers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the transfers that differ from what was ordered."""
    found = []
    for transfer in transfers:
        order = book.orders.get(transfer["token"])
        names = ("giver", "taker", "amount")
        if order is None or any(transfer[name] != getattr(order, name) for name in names):
            found.append(f"{dict(transfer)} for {order}")
    return found


def moved_by(transfers: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Replay transfers: what each account got, less what it gave."""
    moved: Counter[int] = Counter()
    for transfer in transfers:
        moved[transfer["giver"]] -= transfer["amount"]
        moved[transfer["taker"]] += transfer["amount"]
    return dict(moved)
