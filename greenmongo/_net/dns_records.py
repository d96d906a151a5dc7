"""SRV and TXT look-ups on the hub, without blocking it.

dnspython knows how to ask: which servers, when to try the next one, when to go over to TCP. Its
asynchronous resolver leaves the sockets to a "backend", and here that is gevent, so its coroutines
never suspend: they block the one greenlet that runs them, and it can be killed or timed out like
any other. (A thread could not be, and would hold up the end of the process for as long as a
silent DNS server makes it wait.)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent import socket as gevent_socket
from pymongo.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from typing_extensions import Self

    from greenmongo._core.types import Address

__all__ = ["HostRecords", "import_dnspython", "look_up_hosts", "look_up_texts"]


class HostRecords(NamedTuple):
    """The SRV records of a name."""

    hosts: list[Address]
    ttl: float
    """For how many seconds they hold."""


def import_dnspython() -> None:
    """Import what a look-up needs, which takes too long to do it on the hub. Any side."""
    import_module("dns.asyncresolver")


def look_up_hosts(query: str, lifetime: float) -> HostRecords:
    """Return the hosts that the SRV records of `query` list, by their lower-case names.

    Raises:
        ConfigurationError: there is no answer within `lifetime` seconds, or none with a record.
    """
    from dns.exception import DNSException

    try:
        answer = _resolve(query, "SRV", lifetime)
    except (DNSException, OSError, EOFError) as error:
        raise _failure(query, "SRV", error) from error
    hosts: list[Address] = [
        (record.target.to_text(omit_final_dot=True).lower(), record.port) for record in answer
    ]
    return HostRecords(hosts, 0.0 if answer.rrset is None else float(answer.rrset.ttl))


def look_up_texts(name: str, lifetime: float) -> list[str]:
    """Return the TXT records of a name, which may have none.

    Raises:
        ConfigurationError: there is no answer within `lifetime` seconds.
    """
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN, NoAnswer

    try:
        answer = _resolve(name, "TXT", lifetime)
    except (NoAnswer, NXDOMAIN):
        return []
    except (DNSException, OSError, EOFError) as error:
        raise _failure(name, "TXT", error) from error
    return [b"".join(record.strings).decode(errors="replace") for record in answer]


def _failure(name: str, kind: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"cannot look up the {kind} records of {name!r}: {error}")


def _resolve(name: str, kind: str, lifetime: float) -> Any:
    from dns import asyncresolver, resolver

    # The default resolver of the blocking interface is the one that programs configure.
    configured = resolver.get_default_resolver()
    ours = asyncresolver.Resolver(configure=False)
    vars(ours).update(vars(configured))
    backend: Any = _GeventBackend()
    return _run(ours.resolve(name, kind, lifetime=lifetime, backend=backend))


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that awaits nothing but our own, which block instead of suspending."""
    try:
        coroutine.send(None)
    except StopIteration as conclusion:
        return conclusion.value
    coroutine.close()
    raise RuntimeError("dnspython waits for something that gevent does not do for it")


class _GeventBackend:
    """What dnspython calls a backend: its `dns.asyncbackend.Backend`."""

    def name(self) -> str:
        return "gevent"

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: Any = None,
        server_hostname: str | None = None,
    ) -> _GeventSocket:
        if ssl_context is not None:
            raise NotImplementedError("DNS over TLS is not supported")
        made = _GeventSocket(af, socktype, proto)
        try:
            if source is not None:
                made.socket.bind(source)
            if destination is not None:
                made.connect(destination, timeout)
        except BaseException:
            made.socket.close()
            raise
        return made

    def datagram_connection_required(self) -> bool:
        return False

    async def sleep(self, interval: float) -> None:
        gevent.sleep(interval)

    def get_transport_class(self) -> Any:
        raise NotImplementedError("DNS over HTTPS is not supported")

    async def wait_for(self, awaitable: Coroutine[Any, Any, Any], timeout: float | None) -> Any:
        with gevent.Timeout(timeout, _timed_out(timeout)):
            return await awaitable


class _GeventSocket:
    """What dnspython calls a `DatagramSocket` and a `StreamSocket`."""

    def __init__(self, family: int, kind: int, proto: int) -> None:
        self.family = family
        self.type = kind
        self.socket = gevent_socket.socket(family, kind, proto)

    def connect(self, destination: Any, timeout: float | None) -> None:
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(destination)
        except TimeoutError:
            raise _timed_out(timeout) from None

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        return self.socket.sendto(what, destination)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        self.socket.settimeout(timeout)
        try:
            return self.socket.recvfrom(size)
        except TimeoutError:
            raise _timed_out(timeout) from None

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        self.socket.settimeout(timeout)
        try:
            self.socket.sendall(what)
        except TimeoutError:
            raise _timed_out(timeout) from None

    async def recv(self, size: int, timeout: float | None) -> bytes:
        self.socket.settimeout(timeout)
        try:
            return self.socket.recv(size)
        except TimeoutError:
            raise _timed_out(timeout) from None

    async def close(self) -> None:
        self.socket.close()

    async def getpeername(self) -> Any:
        return self.socket.getpeername()

    async def getsockname(self) -> Any:
        return self.socket.getsockname()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.socket.close()


def _timed_out(timeout: float | None) -> Exception:
    from dns.exception import Timeout

    kind: Any = Timeout  # its constructor has no annotations
    timed_out: Exception = kind(timeout=timeout)
    return timed_out
