"""Opens connections: look up, connect, encrypt, shake hands, log in."""

from __future__ import annotations

import ssl
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from pymongo.errors import AutoReconnect, ConfigurationError, NetworkTimeout

from greenmongo._core.auth import (
    KeyCache,
    authenticate,
    negotiation_user,
    speculative_document,
)
from greenmongo._core.configured_timeouts import with_configured_timeouts
from greenmongo._core.hello import build_handshake
from greenmongo._core.hello_reply import parse_hello
from greenmongo._core.pool_rules import ConnectionState, PendingConnection
from greenmongo._core.reply import check_reply
from greenmongo._core.retryable_errors import labelled_as_overload
from greenmongo._core.types import format_address
from greenmongo._net.connecting import open_stream
from greenmongo._net.connection import Connection
from greenmongo._net.environment import new_nonce
from greenmongo._net.resolver import resolve
from greenmongo._net.socks import ProxyError, tunnel
from greenmongo._net.tls import build_context
from greenmongo._wire.compression import choose_compressor
from greenmongo._wire.header import DEFAULT_MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gevent.hub import Hub

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.options.credentials import Credentials
    from greenmongo._core.types import Address, Document
    from greenmongo._net.connecting import Tunnel
    from greenmongo._net.metadata import ClientMetadata
    from greenmongo._net.observers.command import CommandMonitoring

__all__ = ["Connector"]


class Route(NamedTuple):
    """How a server can be reached."""

    address: Address
    candidates: list[tuple[int, Any]]
    """The server's, or those of a proxy: family and socket address."""
    tunnel: Tunnel | None = None


class Connector:
    """What all connections of one client have in common. Hub side only."""

    def __init__(
        self,
        hub: Hub,
        options: ClientOptions,
        monitoring: CommandMonitoring,
        metadata: ClientMetadata,
    ) -> None:
        self._hub = hub
        self._monitoring = monitoring
        self.options = options
        """Exchanged when the DNS has added to them, before anything connects."""
        self._tls = None if options.tls is None else build_context(options.tls)
        self._metadata = metadata
        self._keys = KeyCache()

    def connect(self, address: Address, pending: PendingConnection) -> Connection:
        """Open a connection for operations; `pending` learns which server is reached.

        Raises:
            AutoReconnect, NetworkTimeout: no connection within connectTimeoutMS.
            OperationFailure: the server refused the handshake or the credentials.
        """
        try:
            return self._establish(address, pending, self.options.credentials)
        except NetworkTimeout as error:
            raise with_configured_timeouts(error, self.options) from error.__cause__

    def verify_credentials(self, address: Address, credentials: Credentials) -> None:
        """Log in as somebody and close the connection again.

        Raises:
            AutoReconnect, NetworkTimeout: no connection within connectTimeoutMS.
            OperationFailure: the server refused the credentials.
        """
        self._establish(address, PendingConnection(0, 0), credentials).close()

    def _establish(
        self, address: Address, pending: PendingConnection, credentials: Credentials | None
    ) -> Connection:
        timeout = self.options.connect_timeout
        late = NetworkTimeout(f"{format_address(address)}: timed out while connecting")
        nonce = b"" if credentials is None else new_nonce()
        with gevent.Timeout(timeout or None, late):
            route = self._resolve_route(address)
            # Authentication, "Authentication Handshake": hello, then authentication.
            try:
                connection, reply = self._handshake(route, pending, credentials, nonce)
            except AutoReconnect as error:
                # CMAP, "Establishing a Connection": the server may have too much to do.
                if not _hints_at_overload(error):
                    raise
                raise labelled_as_overload(error) from error.__cause__
            try:
                if credentials is not None:
                    conversation = authenticate(
                        credentials, nonce=nonce, hello_reply=reply, cache=self._keys
                    )
                    connection.converse(conversation, db=credentials.source)
                connection.generation = pending.generation
                connection.state = ConnectionState.AVAILABLE
            except BaseException:
                connection.close()
                raise
        return connection

    def open_monitor(self, address: Address, number: int = 0) -> tuple[Connection, Document, float]:
        """Open a connection for checks; return it, the first hello's reply and its duration.

        Raises:
            AutoReconnect, NetworkTimeout: no connection or no reply within connectTimeoutMS.
            OperationFailure: the server refused the handshake.
        """
        timeout = self.options.connect_timeout or None
        connection = self._open_connection(self._resolve_route(address), number, timeout)
        try:
            started = monotonic()
            reply = self._hello(connection)
            connection.server_connection_id = reply.get("connectionId")
            return connection, reply, monotonic() - started
        except BaseException:
            connection.close()
            raise

    def _resolve_route(self, address: Address) -> Route:
        """Look up what to connect to."""
        limit = self.options.connect_timeout or None
        proxy = self.options.proxy
        if proxy is None or address[1] is None:  # no proxy leads to a Unix domain socket
            return Route(address, resolve(self._hub, address, limit))
        through_proxy = partial(tunnel, address=address, proxy=proxy)
        return Route(address, resolve(self._hub, proxy.address, limit), through_proxy)

    def _open_connection(self, route: Route, number: int, timeout: float | None) -> Connection:
        stream = open_stream(
            self._hub,
            route.address,
            route.candidates,
            timeout=self.options.connect_timeout or None,
            tls=self._tls,
            tunnel=route.tunnel,
        )
        return Connection(stream, number, 0, timeout)

    def _handshake(
        self,
        route: Route,
        pending: PendingConnection,
        credentials: Credentials | None,
        nonce: bytes,
    ) -> tuple[Connection, Document]:
        """Connect, exchange hellos, and record what the server says of itself."""
        connection = self._open_connection(route, pending.number, self.options.socket_timeout)
        try:
            reply = self._hello(
                connection, credentials, nonce, compressors=self.options.compressors
            )
            description = parse_hello(connection.address, reply, now=monotonic())
            connection.description = description
            if self.options.load_balanced:
                # Load Balancer Support, "Connection Establishment"
                connection.service_id = pending.service_id = reply["serviceId"]
            connection.server_connection_id = reply.get("connectionId")
            connection.compressor = choose_compressor(
                self.options.compressors, reply.get("compression", ()), self.options.zlib_level
            )
        except BaseException:
            connection.close()
            raise
        # What a server says of itself is no bound for what it may make us hold.
        largest = min(description.max_message_size, DEFAULT_MAX_MESSAGE_SIZE)
        connection.stream.framer.max_message_size = int(largest) + 16 * 1024
        connection.monitoring = self._monitoring
        connection.credentials = credentials
        connection.sasl_mechanisms = reply.get("saslSupportedMechs") or ()
        return connection, reply

    def reauthenticate(self, connection: Connection, timeout: float | None) -> None:
        """Renew what a connection is logged in with, because its server demands it.

        A connection on which this does not come to its end is closed: who knows as whom it speaks.

        Args:
            connection: one that is checked out and waits for no reply.
            timeout: the seconds left to whoever waits, None for the usual.

        Raises:
            AutoReconnect, NetworkTimeout: the connection broke, or no answer came in time.
            OperationFailure: the server refused the credentials.
        """
        # Authentication, "Reauthentication": the same mechanism, without a new handshake.
        credentials = connection.credentials
        if credentials is None:
            return
        conversation = authenticate(
            credentials,
            nonce=new_nonce(),
            hello_reply={"saslSupportedMechs": connection.sasl_mechanisms},
            cache=self._keys,
        )
        limit = self.options.connect_timeout or None
        if timeout is not None:
            limit = timeout if limit is None else min(limit, timeout)
        late = NetworkTimeout(f"{format_address(connection.address)}: timed out while logging in")
        try:
            with gevent.Timeout(limit, late):
                connection.converse(conversation, db=credentials.source)
        except BaseException:
            connection.close()
            raise

    def _hello(
        self,
        connection: Connection,
        credentials: Credentials | None = None,
        nonce: bytes | None = None,
        compressors: Sequence[str] = (),
    ) -> Document:
        options = self.options
        speculation = None
        if credentials is not None and nonce is not None:
            speculation = speculative_document(credentials, nonce)
        document = build_handshake(
            self._metadata.document,
            load_balanced=options.load_balanced,
            compressors=compressors,
            server_api=options.server_api,
            sasl_supported_mechs=None if credentials is None else negotiation_user(credentials),
            speculative_auth=speculation,
        )
        # MongoDB Handshake, "Connection handshake": OP_MSG, also for the command's legacy name.
        reply = connection.command(document, timeout=options.connect_timeout or None)
        check_reply(reply)
        if options.load_balanced and "serviceId" not in reply:
            raise ConfigurationError(
                f"{format_address(connection.address)}: Driver attempted to initialize in load "
                "balancing mode, but the server does not support this mode"
            )
        return reply


def _hints_at_overload(error: AutoReconnect) -> bool:
    """Tell whether a server that has too much to do may refuse a connection so (CMAP)."""
    cause = error.__cause__
    if type(error) not in (AutoReconnect, NetworkTimeout):
        return False
    if isinstance(cause, ssl.SSLError):
        # Only the end in the middle of it is nobody's mistake.
        return isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return not isinstance(cause, ProxyError)
