"""TLS: the context a client's options ask for, and the encrypted socket a stream reads and writes.

The socket is not an `ssl.SSLSocket`. gevent replaces that class when it patches, and where it
patches before `ssl` is imported even the original derives from gevent's own socket. `SSLObject`
does no I/O, so nobody replaces it; what moves its bytes here is a plain non-blocking socket.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from pymongo.errors import AutoReconnect, ConfigurationError

from greenmongo._hub.watchdog import never_blocks
from greenmongo._net.socket_calls import receive_some, send_some

if TYPE_CHECKING:
    import socket

    from greenmongo._core.options.tls import TlsOptions

__all__ = ["TlsSocket", "build_context"]

_CHUNK = 32 * 1024
"""How much is encrypted or decrypted at a time: a few TLS records."""


def build_context(tls: TlsOptions) -> ssl.SSLContext:
    """Return the context for a client's connections.

    Revocation is checked with `tlsCRLFile` only: the standard library speaks no OCSP, so
    `tlsDisableOCSPEndpointCheck` makes no difference.

    Raises:
        ConfigurationError: a file holds nothing usable, or its key wants another password.
        AutoReconnect: the system's certificates cannot be read, with too many files open.
    """
    # Looked up when called: in a patched process only gevent's subclass has working setters.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if tls.allow_invalid_certificates:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.check_hostname = not tls.allow_invalid_hostnames
    _load_own_certificate(context, tls)
    _load_trust(context, tls)
    return context


def _load_own_certificate(context: ssl.SSLContext, tls: TlsOptions) -> None:
    path = tls.certificate_key_file
    if path is None:
        return
    # Without a password OpenSSL would ask for one on the terminal.
    password = tls.certificate_key_file_password or ""
    try:
        context.load_cert_chain(path, password=lambda: password)
    except OSError as error:
        raise ConfigurationError(
            f"tlsCertificateKeyFile {path!r} cannot be used: its private key doesn't match its"
            f" certificate, tlsCertificateKeyFilePassword is wrong, or one is missing: {error}"
        ) from error


def _check_descriptors() -> None:
    """See that files can be opened: of the system's certificates OpenSSL skips what cannot.

    Raises:
        AutoReconnect: the process has too many open.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        raise AutoReconnect(f"the system's certificates cannot be read: {error}") from error


def _load_trust(context: ssl.SSLContext, tls: TlsOptions) -> None:
    if tls.crl_file is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        _load(context, "tlsCRLFile", tls.crl_file)
    if tls.ca_file is not None:
        _load(context, "tlsCAFile", tls.ca_file)
    elif context.verify_mode != ssl.CERT_NONE:
        _check_descriptors()
        context.load_default_certs()


def _load(context: ssl.SSLContext, option: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigurationError(f"{option} {path!r} cannot be used: {error}") from error


class TlsSocket:
    """One side of a TLS connection over a connected non-blocking socket, which it owns.

    Like `ssl.SSLSocket` it raises `SSLWantReadError` or `SSLWantWriteError` where it would have
    to wait; call again, with the same data, once the descriptor is ready.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        sock: socket.socket,
        host: str | None,
        *,
        server_side: bool = False,
    ) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=host
        )
        self._cipher_text = memoryview(b"")  # encrypted but not yet sent
        self._owed = 0  # bytes of the caller's data that `_cipher_text` ends with
        self._view = memoryview(bytearray(_CHUNK))

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when closed."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket, without any farewell. Idempotent."""
        self._sock.close()

    def version(self) -> str | None:
        """Return the protocol's name, such as "TLSv1.3"; None before the handshake."""
        return self._tls.version()

    def do_handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            SSLWantReadError, SSLWantWriteError: it has to wait for the peer.
            OSError: the peer went away, or one side does not accept the other.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush_or_wait()
                self._receive()
            except ssl.SSLError:
                # The alert tells the peer what is wrong; that it arrives is not essential.
                with suppress(OSError):
                    self._flush()
                raise
            else:
                self._flush_or_wait()
                return

    @never_blocks
    def send(self, data: bytes | memoryview) -> int:
        """Send some of `data`; return how much.

        Raises:
            SSLWantWriteError: nothing can be sent now; the next call must bring the same data.
            OSError: the connection failed.
        """
        sent = 0
        if self._cipher_text or self._owed:
            # Reading may have flushed it meanwhile; what was taken is owed all the same.
            self._flush_or_wait()
            sent, self._owed = self._owed, 0
        view = memoryview(data)
        while sent < len(view):
            count = self._tls.write(view[sent : sent + _CHUNK])
            if not self._flush():
                # What OpenSSL has taken it will not take again: told once it has left.
                self._owed = count
                break
            sent += count
        if not sent and self._owed:
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "the socket's buffer is full")
        return sent

    @never_blocks
    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Read what is there; 0 means that the peer has closed the connection.

        Raises:
            SSLWantReadError: there is nothing now.
            OSError: the connection failed.
        """
        while True:
            try:
                return self._tls.read(len(buffer), buffer)  # type: ignore[return-value]
            except ssl.SSLWantReadError:
                # Answers of the protocol itself leave with the next data if they cannot now.
                self._flush()
                self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                # Messages have lengths, so a missing farewell hides no truncation.
                return 0

    def _receive(self) -> None:
        """Give OpenSSL what has come."""
        try:
            count = receive_some(self._sock, self._view)
        except (BlockingIOError, InterruptedError):
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing has come") from None
        if count:
            self._incoming.write(self._view[:count])
        else:
            self._incoming.write_eof()

    def _flush(self) -> bool:
        """Send what OpenSSL has written; tell whether all of it is gone."""
        while True:
            while self._cipher_text:
                try:
                    count = send_some(self._sock, self._cipher_text)
                except (BlockingIOError, InterruptedError):
                    return False
                self._cipher_text = self._cipher_text[count:]
            if not self._outgoing.pending:
                return True
            self._cipher_text = memoryview(self._outgoing.read())

    def _flush_or_wait(self) -> None:
        if not self._flush():
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "the socket's buffer is full")
