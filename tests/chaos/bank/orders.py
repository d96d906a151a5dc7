"""What callers of the bank do, planned in advance and written once for all of them.

What happens in a transaction is a generator of asks: whoever runs it performs each in its own way,
and sends the result back. So there is one text for callers that block and for callers that await.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Nearest
from pymongo.write_concern import WriteConcern

__all__ = [
    "ACCOUNTS",
    "CONCERNS",
    "DATABASE",
    "GAVE_UP",
    "OPENING",
    "Ask",
    "Asks",
    "Life",
    "Order",
    "Refused",
    "audit_in",
    "move",
    "of_transfer",
]

DATABASE = "bank"
ACCOUNTS = 200
OPENING = 1000
GAVE_UP = object()
"""The answer to an ask for which the caller did not wait."""

CONCERNS = (ReadConcern("snapshot"), WriteConcern("majority"))
"""Of every transaction."""


class Refused(Exception):
    """The transfer is not to be: the account is too low, or the caller has changed its mind."""


@dataclass(frozen=True)
class Ask:
    """One operation: how to do it, and how long to wait for it, where that can be limited."""

    call: Callable[[], Any]
    patience: float | None = None


Asks: TypeAlias = Generator[Ask, Any, Any]


@dataclass(frozen=True)
class Order:
    """One transfer, or one audit where the amount is 0."""

    token: str
    giver: int
    taker: int
    amount: int
    style: str
    """with_transaction, block or by hand; of an audit: snapshot, nearest or transaction."""
    patience: float | None
    """Seconds after which the caller leaves, if it can."""
    patience_of_read: float | None
    """Seconds after which it leaves a read, to ask once more."""
    changes_its_mind: bool
    is_thorough: bool
    """Of an audit: compare all transfers, too."""


@dataclass(frozen=True)
class Life:
    """A caller's life: what it does in one session, in a request or not."""

    orders: list[Order]
    in_request: bool

    @classmethod
    def draw(cls, random: Random, slot: str, number: int) -> Life:
        """Return some life."""
        count = random.randrange(1, 10)
        orders = [draw_order(random, f"{slot}#{number}.{n}") for n in range(count)]
        return cls(orders, random.random() < 0.2)


def draw_order(random: Random, token: str) -> Order:
    """Return some order."""
    giver, taker = random.sample(range(ACCOUNTS), 2)
    is_audit = random.random() < 0.2
    styles = ["snapshot", "nearest", "transaction"] if is_audit else ["with_transaction", "block"]
    return Order(
        token,
        giver,
        taker,
        0 if is_audit else random.choice([1, 5, 10, 300]),
        random.choice(styles if is_audit else [*styles, "by hand"]),
        random.uniform(0.001, 0.2) if random.random() < 0.1 else None,
        random.uniform(0.0005, 0.01) if random.random() < 0.1 else None,
        random.random() < 0.05,
        random.random() < 0.1,
    )


def move(db: Any, session: Any, order: Order) -> Asks:
    """Transfer, inside of a transaction.

    Balances are computed here: a read that was not in the transaction would lose an update.
    """
    giver = yield from impatiently(
        lambda: db.accounts.find_one({"_id": order.giver}, session=session), order.patience_of_read
    )
    if giver["balance"] < order.amount:
        raise Refused("too low")
    given = {"$set": {"balance": giver["balance"] - order.amount}}
    yield Ask(lambda: db.accounts.update_one({"_id": order.giver}, given, session=session))
    taker = yield Ask(lambda: db.accounts.find_one({"_id": order.taker}, session=session))
    taken = {"$set": {"balance": taker["balance"] + order.amount}}
    yield Ask(lambda: db.accounts.update_one({"_id": order.taker}, taken, session=session))
    transfer = {name: getattr(order, name) for name in ("token", "giver", "taker", "amount")}
    yield Ask(lambda: db.transfers.insert_one(dict(transfer), session=session))
    if order.changes_its_mind:
        raise Refused("changed its mind")


def of_transfer(db: Any, session: Any, order: Order) -> Asks:
    """Read an acknowledged transfer in the session that has made it, on any member."""
    near = db.get_collection(
        "transfers", read_preference=Nearest(), read_concern=ReadConcern("majority")
    )
    found = yield Ask(lambda: near.find_one({"token": order.token}, session=session))
    return found


def audit_in(db: Any, session: Any, order: Order) -> Asks:
    """Read all accounts twice, in batches and as a sum, and perhaps what all transfers moved.

    Returns:
        The balance of each account, the sum, and what each account got (None: not asked).
    """
    reads = {"read_preference": Nearest()} if order.style == "nearest" else {}
    accounts = db.get_collection("accounts", **reads)
    found = yield from impatiently(
        lambda: accounts.find({}, session=session, batch_size=50).to_list(), order.patience_of_read
    )
    cursor = yield Ask(lambda: accounts.aggregate(SUM, session=session))
    (total,) = yield Ask(cursor.to_list)
    moved = None
    if order.is_thorough:
        transfers = db.get_collection("transfers", **reads)
        cursor = yield Ask(lambda: transfers.aggregate(MOVED, session=session))
        rows = yield Ask(cursor.to_list)
        moved = {row["_id"]: row["got"] for row in rows}
    return {each["_id"]: each["balance"] for each in found}, total["sum"], moved


SUM = [{"$group": {"_id": None, "sum": {"$sum": "$balance"}}}]
BOTH_SIDES = [
    {"account": "$giver", "got": {"$multiply": ["$amount", -1]}},
    {"account": "$taker", "got": "$amount"},
]
MOVED = [
    {"$project": {"side": BOTH_SIDES}},
    {"$unwind": "$side"},
    {"$group": {"_id": "$side.account", "got": {"$sum": "$side.got"}}},
]


def impatiently(call: Callable[[], Any], patience: float | None) -> Asks:
    """Read; leave it when it takes long, and read once more."""
    found = yield Ask(call, patience)
    if found is GAVE_UP:
        found = yield Ask(call)
    return found
