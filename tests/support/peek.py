"""Looking into a client: which connection it uses, and what its pool and its requests are at."""

from __future__ import annotations

import gc

from greenmongo._core.types import Address, ReadMode
from greenmongo._net.engine import Engine
from greenmongo._net.pool import Pool
from tests.support.fix_hub import Client
from tests.support.fix_leaks import wait_until

__all__ = [
    "Place",
    "engine_of",
    "place",
    "pool_of",
    "pools_of",
    "rows",
    "settle",
    "sid",
    "wait_for_failed_check",
    "wait_until_known",
]

Place = tuple[str, int]
"""A member of a set by its own name for itself, and its number of one connection."""


def sid(client: Client) -> int:
    """The server's number of the connection that the next operation uses."""
    return int(client.admin.command("hello")["connectionId"])


def place(client: Client, preference: ReadMode | None = None) -> Place:
    """Where the next read goes: which member, on which connection."""
    reply = client.admin.command("hello", read_preference=preference)
    return str(reply["me"]), int(reply["connectionId"])


def engine_of(client: Client) -> Engine:
    """What the client has on the hub thread, which it now has at the latest."""
    return client._executor.open()


def pool_of(client: Client) -> Pool:
    """The pool of the client's only server."""
    (server,) = engine_of(client).topology.servers.values()
    return server.pool


def pools_of(client: Client) -> dict[Address, Pool]:
    """The pool of every member, by its address."""
    servers = engine_of(client).topology.servers
    return {address: server.pool for address, server in servers.items()}


def rows(client: Client) -> int:
    return len(engine_of(client).table.holders)


def settle(client: Client) -> None:
    """Wait until everything that was told to the hub thread so far has happened."""
    gc.collect()
    client._executor.thread.call(int)


def wait_until_known(client: Client) -> None:
    """Wait until every server has answered a check.

    An operation that waits for a check asks for another one, half a second later. After this, none
    does, and the next hello but those of new connections comes with the next heartbeat.
    """
    topology = engine_of(client).topology
    wait_until(lambda: len(client.nodes) == len(topology.servers))


def wait_for_failed_check(client: Client) -> None:
    """Wait until a check has failed, so that whoever looks for a server in vain is told why."""
    engine_of(client)
    wait_until(lambda: any(each.error for each in client.topology_description.servers.values()))
