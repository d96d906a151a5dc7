"""The commands that carry credentials, whoever sends them. The only table of their names.

Only for commands that the driver did not build by itself, and for those of the handshake: all
others say with a field what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["is_sensitive", "may_compress"]

_SENSITIVE = frozenset(
    {
        "authenticate",
        "copydb",
        "copydbgetnonce",
        "copydbsaslstart",
        "createuser",
        "getnonce",
        "saslcontinue",
        "saslstart",
        "updateuser",
    }
)
_HELLOS = frozenset({"hello", "ismaster"})


def is_sensitive(name: str, body: Mapping[str, Any]) -> bool:
    """Tell whether a command carries credentials."""
    # Command Logging and Monitoring, "Security"
    lowered = name.lower()
    return lowered in _SENSITIVE or (lowered in _HELLOS and "speculativeAuthenticate" in body)


def may_compress(name: str) -> bool:
    """Tell whether a command may be sent compressed: not a handshake, nor what carries a secret."""
    # OP_COMPRESSED, "Messages not allowed to be compressed"
    lowered = name.lower()
    return lowered not in _SENSITIVE and lowered not in _HELLOS
