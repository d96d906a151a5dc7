"""What can be wrong with the bytes a peer sent."""

from __future__ import annotations

__all__ = ["WireError"]


class WireError(ValueError):
    """The peer sent bytes that are not a message this driver can read.

    Nothing after such bytes can be trusted: the connection they came from must be closed.
    `_net` turns this into the public `ProtocolError`.
    """
