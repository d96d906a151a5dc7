"""A real replica set, three members with data and an arbiter, for tests that play with its members.

It is started by the first test that asks, and put in order again after each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from greenmongo.embedded import EmbeddedServerError, Member, MongoServer
from tests.support.fix_leaks import wait_until

__all__ = ["address_of", "member_at", "members", "reconfigure", "restore", "secondaries_of"]


@pytest.fixture(scope="session")
def whole_set() -> Iterator[MongoServer]:
    """The set as it is between tests."""
    data = [{"tags": {"name": name}} for name in ("one", "two", "three")]
    with MongoServer(
        [*data, {"arbiterOnly": True}], parameters={"enableTestCommands": True}
    ) as server:
        yield server


@pytest.fixture
def members(whole_set: MongoServer) -> Iterator[MongoServer]:
    """The set, every member in its place; whoever was stopped is started again afterwards."""
    yield whole_set
    restore(whole_set)


def restore(server: MongoServer) -> None:
    """Start whoever was stopped, and wait until there is a primary."""
    for member in server.members:
        if not member.is_running:
            member.restart()
    server.wait_for_primary(60)


def address_of(host: str) -> tuple[str, int]:
    """Return a `host:port` as a pair."""
    name, port = host.rsplit(":", 1)
    return name, int(port)


def member_at(server: MongoServer, host: str) -> Member:
    """Return the member that calls itself so."""
    return next(member for member in server.members if member.host == host)


def secondaries_of(server: MongoServer) -> list[Member]:
    """Return the members that say they are secondaries."""
    return [m for m in server.members if (m.hello() or {}).get("secondary")]


def reconfigure(server: MongoServer, hosts: set[str], all_members: list[dict[str, Any]]) -> None:
    """Make these hosts the set's members."""

    def is_taken() -> bool:
        primary = server.wait_for_primary()
        config = primary.run({"replSetGetConfig": 1})["config"]
        config["version"] += 1
        config["members"] = [member for member in all_members if member["host"] in hosts]
        try:
            primary.run({"replSetReconfig": config})
        except EmbeddedServerError as error:
            # The primary changes the configuration itself, once elected and when a member joins:
            # it is at it (109), or was since we looked (103).
            if any(f"(code {code})" in error.cause for code in (109, 103)):
                return False
            raise
        return True

    wait_until(is_taken, 30.0)
