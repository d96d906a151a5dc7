"""What must be true when all is over, one line for each."""

from __future__ import annotations

import gc
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pymongo
from pymongo.monitoring import ConnectionClosedReason

from greenmongo import MongoClient
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo.embedded import MongoServer
from greenmongo.hub import ClientStatistics, statistics_of
from greenmongo.lowlevel import thread_of
from tests.chaos.ledger import SHOWN, Fault, Ledger
from tests.chaos.steps import DATABASE

__all__ = [
    "Finding",
    "absent",
    "judge_client",
    "judge_closings",
    "judge_data",
    "judge_ledger",
    "sockets_to",
]

SETTLES_WITHIN = 15.0
PROMPTLY = 0.1
MONITORS = 2
"""Connections to each member that no pool counts: one for its state, one for its distance."""

Client = MongoClient[dict[str, Any]]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    what: str
    is_fine: bool
    told: str = ""

    def __str__(self) -> str:
        return f"{'ok  ' if self.is_fine else 'FAIL'} {self.what}{self.told and f': {self.told}'}"


def judge_ledger(ledger: Ledger) -> list[Finding]:
    """Look at what the callers heard."""
    return [
        absent("wrong or stale replies, or other surprises", ledger.wrongs),
        absent("errors that no fault explains", ledger.unexplained()),
    ]


def absent(what: str, found: list[str]) -> Finding:
    """Return a finding that is fine if nothing was found."""
    told = f"{len(found)}"
    if found:
        told += "".join(f"\n       {line}" for line in found[:SHOWN])
    return Finding(what, not found, told)


def judge_client(client: Client, server: MongoServer, cap: int) -> list[Finding]:
    """See that nothing is left of the callers."""
    began = monotonic()
    while not is_at_rest(statistics := statistics_of(client)) or max_open(server) > cap + MONITORS:
        gc.collect()
        if monotonic() > began + SETTLES_WITHIN:
            break
        sleep(0.05)
    settled = f"after {monotonic() - began:.2f} s"
    open_to = {port: sockets_to(port) for port in server.ports}
    began = monotonic()
    client.get_database("admin").command("ping")
    ping = monotonic() - began
    pools = ", ".join(f"{p.idle} of {p.open} free" for p in statistics.pools)
    return [
        absent("requests in the request table", owners_of_requests(client)),
        Finding("waiters", not waiting(statistics), f"{waiting(statistics)}"),
        Finding("late replies", not statistics.abandoned, f"{statistics.abandoned}"),
        Finding("permits", all(p.idle == p.open <= cap for p in statistics.pools), pools),
        absent("server sessions not given back", sessions_in_use(client)),
        Finding("busy workers", not thread_of(client).workers.busy, settled),
        Finding(
            f"sockets, at most {cap} + {MONITORS} each",
            all(count <= cap + MONITORS for count in open_to.values()),
            ", ".join(map(str, open_to.values())),
        ),
        Finding("the next ping", ping < PROMPTLY, f"{ping * 1000:.1f} ms"),
    ]


def max_open(server: MongoServer) -> int:
    """Return how many sockets of this process one member has at most.

    There may be more than the client's for a moment: PyMongo's, which has looked at the data.
    """
    return max(map(sockets_to, server.ports))


def owners_of_requests(client: Client) -> list[str]:
    """Return who is in a request still."""
    holders = client._executor.open().table.holders
    return [repr(each.context and each.context()) for each in list(holders.values())]


def sessions_in_use(client: Client) -> list[str]:
    """Return the server sessions of this process that are not in the pool of its only client."""
    gc.collect()
    free = client._executor.open().sessions._free
    free_ids = {id(each) for each in free._free}
    alive = [each for each in gc.get_objects() if type(each) is ServerSession]
    return [str(each) for each in alive if id(each) not in free_ids]


def is_at_rest(statistics: ClientStatistics) -> bool:
    """Tell whether nobody uses the client."""
    is_used = statistics.requests or statistics.abandoned or waiting(statistics)
    return not is_used and all(pool.idle == pool.open for pool in statistics.pools)


def waiting(statistics: ClientStatistics) -> int:
    """Return how many callers are in line for a connection."""
    return sum(pool.waiting for pool in statistics.pools)


def judge_data(server: MongoServer, ledger: Ledger) -> list[Finding]:
    """Compare what callers were told with what the deployment has; by PyMongo, not by us."""
    reference: pymongo.MongoClient[dict[str, Any]]
    with pymongo.MongoClient(server.uri) as reference:
        db: Any = reference[DATABASE]
        found = Counter(("written", document["_id"]) for document in db.written.find())
        for slot in db.slots.find():
            found.update(("slots", token) for token in slot["tokens"])
    return [
        Finding("acknowledged writes", bool(ledger.acknowledged), f"{len(ledger.acknowledged)}"),
        absent("acknowledged writes missing", shown(ledger.acknowledged - found.keys())),
        absent("writes doubled", shown({each for each, count in found.items() if count > 1})),
        absent("writes nobody sent", shown(found.keys() - ledger.attempted)),
    ]


def shown(writes: set[tuple[str, str]]) -> list[str]:
    """Return writes as lines."""
    return [f"{token} in {collection}" for collection, token in sorted(writes)]


def sockets_to(port: int) -> int:
    """Return how many sockets of this process are connected to a port. Linux only."""
    folder = Path("/proc/self/fd")
    mine = set()
    for entry in os.listdir(folder):
        try:
            mine.add(os.readlink(folder / entry))
        except FileNotFoundError:  # closed since it was listed
            continue
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(
        remote.endswith(f":{port:04X}") and f"socket:[{inode}]" in mine
        for _, _, remote, _, _, _, _, _, _, inode, *_ in fields
    )


def judge_closings(closings: list[tuple[float, str]], faults: list[Fault]) -> Finding:
    """See that connections were closed for errors only while the deployment was broken."""
    unexplained = [
        f"at {moment:.2f}: {reason}"
        for moment, reason in closings
        if reason == ConnectionClosedReason.ERROR
        and not any(fault.covers(moment) for fault in faults)
    ]
    return absent("connections closed without a fault, as for callers that left", unexplained)
