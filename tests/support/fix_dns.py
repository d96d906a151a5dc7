"""A DNS server on 127.0.0.1, over UDP and TCP, and dnspython's default resolver pointed at it.

    def test_...(dns_server: DnsServer) -> None:
        dns_server.set("_mongodb._tcp.cluster.0.0.1", "SRV", "0 0 27017 127.0.0.1.")

`127.0.0.1` is a host of the domain `0.0.1`, so that no name of a server has to be resolved.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from tests.support.native import (
    Address,
    NativeSocket,
    NativeThread,
    Signal,
    accept,
    disconnect,
    listen,
)

__all__ = ["DnsServer", "dns_server", "resolver_of"]

_TICK = 0.05  # how often a thread that waits for a datagram looks whether it may end
_SMALL = 512  # what fits into a datagram, as far as this server is concerned


class DnsServer:
    """Answers from a table.

    Attributes:
        queries: the names and kinds asked for, in order.
        is_silent: never answer.
        always_truncates: tell over UDP that the answer needs TCP.
    """

    def __init__(self) -> None:
        self.queries: list[tuple[str, str]] = []
        self.is_silent = False
        self.always_truncates = False
        self._records: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self._errors: dict[str, dns.rcode.Rcode] = {}
        self._changed = Signal()
        self._is_over = False
        self._listener = listen(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()
        self._datagrams = NativeSocket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(self.address)
        self._datagrams.settimeout(_TICK)
        self._threads = [NativeThread(self._serve_udp), NativeThread(self._serve_tcp)]

    def __enter__(self) -> DnsServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def set(self, name: str, kind: str, *records: str, ttl: int = 60) -> None:
        """Set the records of one kind that a name has, in the text form of zone files."""
        self._records[name, kind] = ttl, list(records)

    def set_srv(self, name: str, *hosts: str, ttl: int = 60) -> None:
        """Set the SRV records of a name to these `host:port`."""
        pairs = [host.rpartition(":") for host in hosts]
        self.set(name, "SRV", *(f"0 5 {port} {host}." for host, _, port in pairs), ttl=ttl)

    def fail(self, name: str, code: dns.rcode.Rcode) -> None:
        """Answer every query for a name with this error."""
        self._errors[name] = code

    def wait_for_queries(self, count: int, timeout: float = 5.0) -> None:
        """Wait until there have been so many queries."""
        self._changed.wait_for(lambda: len(self.queries) >= count, timeout)

    def stop(self) -> None:
        """End everything."""
        self._is_over = True
        disconnect(self._listener)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._datagrams.close()

    def _serve_udp(self) -> None:
        while not self._is_over:
            try:
                wire, peer = self._datagrams.recvfrom(4096)
            except OSError:
                continue
            reply = self._reply(wire)
            if reply is None:
                continue
            if self.always_truncates or len(reply) > _SMALL:
                short = dns.message.from_wire(reply)
                short.answer.clear()
                short.flags |= dns.flags.TC
                reply = short.to_wire()
            self._datagrams.sendto(reply, peer)

    def _serve_tcp(self) -> None:
        while not self._is_over:
            accepted = accept(self._listener)
            if accepted is not None:
                connection, _ = accepted
                with suppress(OSError):
                    self._answer_tcp(connection)
                connection.close()

    def _answer_tcp(self, connection: NativeSocket) -> None:
        connection.settimeout(5.0)
        (size,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
        reply = self._reply(connection.recv(size, socket.MSG_WAITALL))
        if reply is not None:
            connection.sendall(struct.pack("!H", len(reply)) + reply)

    def _reply(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        self._changed.notify()
        if self.is_silent:
            return None
        reply = dns.message.make_response(query)
        if name in self._errors:
            reply.set_rcode(self._errors[name])
            return reply.to_wire()
        ttl, records = self._records.get((name, kind), (0, []))
        if records:
            reply.answer.append(dns.rrset.from_text_list(question.name, ttl, "IN", kind, records))
        elif not any(known == name for known, _ in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()


def resolver_of(server: DnsServer) -> dns.resolver.Resolver:
    """Return a resolver that asks only this server."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [server.address[0]]
    resolver.port = server.address[1]
    resolver.timeout = 30.0  # or a query that is answered late would be asked, and counted, twice
    return resolver


@pytest.fixture
def dns_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    """Start a DNS server that dnspython asks by default."""
    with DnsServer() as server:
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver_of(server))
        yield server
