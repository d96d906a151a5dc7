"""Looking into a client: which connection it uses, and what its pool and its requests are at."""

from __future__ import annotations

import gc

from greenmongo._core.types import Address
from greenmongo._net.pool import Pool
from tests.support.fix_hub import Client

__all__ = ["pool_of", "pools_of", "rows", "settle", "sid"]


def sid(client: Client) -> int:
    """The server's number of the connection that the next operation uses."""
    return int(client.admin.command("hello")["connectionId"])


def pool_of(client: Client) -> Pool:
    (server,) = client._executor.open().topology.servers.values()
    return server.pool


def pools_of(client: Client) -> dict[Address, Pool]:
    """The pool of every member, by its address."""
    servers = client._executor.open().topology.servers
    return {address: server.pool for address, server in servers.items()}


def rows(client: Client) -> int:
    return len(client._executor.open().table.rows)


def settle(client: Client) -> None:
    """Wait until everything that was told to the hub thread so far has happened."""
    gc.collect()
    client._executor.thread.run(int)
