"""Host names to socket addresses, off the hub: look-ups block, so a thread pool does them.

A program may have replaced `socket.getaddrinfo`, to use IPv4 only or a tunnel. Then its function is
asked, which is code of the user's that belongs to no caller: a connection is for whoever waits.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import gevent
import gevent.socket
from pymongo.errors import AutoReconnect, NetworkTimeout

from greenmongo._core.types import format_address
from greenmongo._hub.offload import offload

if TYPE_CHECKING:
    from gevent.hub import Hub

    from greenmongo._core.types import Address

__all__ = ["resolve"]


def resolve(hub: Hub, address: Address, timeout: float | None) -> list[tuple[int, Any]]:
    """Return the (family, socket address) pairs to try for `address`, in order.

    Raises:
        AutoReconnect: the name does not resolve.
        NetworkTimeout: the look-up took longer than `timeout` seconds.
    """
    host, port = address
    if port is None:
        return [(socket.AF_UNIX, host)]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, (host, port))]
    found: Any
    late = NetworkTimeout(f"{format_address(address)}: timed out looking up {host!r}")
    try:
        with gevent.Timeout(timeout, late):
            if _is_replaced(socket.getaddrinfo):
                found = offload(lambda: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
            else:
                found = hub.resolver.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except (OSError, RuntimeError) as error:
        # A RuntimeError: no thread can start for it.
        name = format_address(address)
        raise AutoReconnect(f"{name}: cannot look up {host!r}: {error}") from error
    return list(dict.fromkeys((int(entry[0]), entry[4]) for entry in found))


def _is_replaced(function: Any) -> bool:
    """Tell whether it is neither Python's nor gevent's own, which ask in the same way."""
    code = getattr(function, "__code__", None)
    is_standard = code is not None and code.co_filename == socket.__file__
    return not is_standard and function is not gevent.socket.getaddrinfo
