"""The types of servers that the specification's files name."""

from __future__ import annotations

__all__ = ["known_type"]


def known_type(name: str) -> str:
    """Return a server's type as drivers know it that check all servers at the same time.

    Only those that check one after another tell possible primaries from unknown servers.
    """
    return "Unknown" if name == "PossiblePrimary" else name
