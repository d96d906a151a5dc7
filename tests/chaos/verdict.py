"""What must be true when all is over, one line for each."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import pymongo

from greenmongo import MongoClient
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo.embedded import EmbeddedServerError, Member, MongoServer
from greenmongo.hub import ClientStatistics, statistics_of
from greenmongo.lowlevel import thread_of
from tests.chaos.drivers import Closings
from tests.chaos.ledger import SHOWN, Fault, Ledger
from tests.chaos.steps import DATABASE

__all__ = [
    "Finding",
    "absent",
    "judge_client",
    "judge_closings",
    "judge_data",
    "judge_ledger",
    "judge_members",
    "judge_cursors",
    "sockets_to",
]

SETTLES_WITHIN = 15.0
GONE_WITHIN = 2.0
"""Seconds until members have nothing any more of what callers began."""
LEFT_BEFORE = 1.0
"""Seconds between the last look at a cursor and a fault in which it could not be closed."""
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


def judge_closings(closings: Closings, faults: list[Fault]) -> Finding:
    """See that connections were closed for errors only while the deployment was broken.

    A member that rolls back some seconds after a fault closes all of its connections, by which the
    pool is cleared.
    """
    unexplained = [
        f"to {address}, {since(faults, moment)}"
        for moment, address in closings.broken
        if not any(fault.covers(moment) for fault in faults)
        and not any(each == address and abs(at - moment) < 1 for at, each in closings.cleared)
    ]
    return absent("connections closed without a fault, as for callers that left", unexplained)


def since(faults: list[Fault], moment: float) -> str:
    """Say how long after a fault something was."""
    before = [fault for fault in faults if fault.began <= moment]
    return f"{moment - before[-1].ended:.1f} s after {before[-1].name}" if before else "at first"


def judge_members(what: str, members: list[Member], look: Callable[[Member], list[str]]) -> Finding:
    """Wait a moment until no member has any more of something."""
    began = monotonic()
    while found := [line for member in members for line in look_at(member, look)]:
        if monotonic() > began + GONE_WITHIN:
            break
        sleep(0.02)
    finding = absent(what, found)
    return replace(finding, told=f"{finding.told} after {monotonic() - began:.2f} s")


def look_at(member: Member, look: Callable[[Member], list[str]]) -> list[str]:
    """Return what a member has, or why it does not say."""
    try:
        return [] if (member.hello() or {}).get("arbiterOnly") else look(member)
    except (EmbeddedServerError, OSError) as error:
        return [f"{member}: {error!r}"]


def judge_cursors(members: list[Member], faults: list[Fault]) -> Finding:
    """See that no cursor of a client is open any more."""
    return judge_members("open cursors", members, partial(cursors_on, faults=faults))


def cursors_on(member: Member, faults: list[Fault]) -> list[str]:
    """Return the cursors of clients that a member has open, those that are read included.

    Those that were read last during a fault are the server's to close: nobody could reach it.
    """
    command = {
        "aggregate": 1,
        "pipeline": [
            {"$currentOp": {"idleCursors": True, "allUsers": True}},
            {"$match": {"cursor": {"$exists": True}, "ns": {"$ne": "local.oplog.rs"}}},
        ],
        "cursor": {"batchSize": 1000},
        "$readPreference": {"mode": "primaryPreferred"},
    }
    found = member.run(command)["cursor"]["firstBatch"]
    return [
        f"{member}: {each}"
        for each in found
        if "$currentOp" not in str(each)
        and not any(fault.covers(last_access(each) + LEFT_BEFORE) for fault in faults)
    ]


def last_access(operation: dict[str, Any]) -> float:
    """Return when a cursor was read last, on the monotonic clock."""
    at: datetime = operation["cursor"]["lastAccessDate"]
    return monotonic() - (time() - at.replace(tzinfo=timezone.utc).timestamp())
