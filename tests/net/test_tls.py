from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from greenmongo._core.options import ClientOptions
from greenmongo._net.tls import TlsSocket, build_context

ROOT = Path(__file__).resolve().parent.parent.parent
CERTS = ROOT / "tests" / "support" / "certs"
CA = str(CERTS / "ca.pem")
BIG = 4 * 1024 * 1024  # more than two socket buffers hold


def context_for(**options: Any) -> ssl.SSLContext:
    tls = ClientOptions.build("localhost", **options).tls
    assert tls is not None
    return build_context(tls)


def server_context(*, client_ca: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "server.pem")
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def wire(contention: None) -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair()
    for sock in pair:
        sock.setblocking(False)
    yield pair
    for sock in pair:
        sock.close()


Wire = tuple[socket.socket, socket.socket]


def meet(
    wire: Wire, context: ssl.SSLContext, host: str = "localhost", *, client_ca: str | None = None
) -> tuple[TlsSocket, TlsSocket]:
    """Shake hands, each side whenever the other has said something."""
    ours = TlsSocket(context, wire[0], host)
    theirs = TlsSocket(server_context(client_ca=client_ca), wire[1], None, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return ours, theirs


def receive(sock: TlsSocket, size: int) -> bytes:
    buffer = bytearray(size)
    count = sock.recv_into(buffer)
    return bytes(buffer[:count])


def receive_all(sock: TlsSocket) -> bytearray:
    came = bytearray()
    while True:
        try:
            came += receive(sock, 50_000)
        except ssl.SSLWantReadError:
            return came


def test_by_default_the_certificate_and_the_host_name_are_checked() -> None:
    context = context_for(tls=True)
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_server_of_the_given_authority_is_accepted(wire: Wire, host: str) -> None:
    ours, theirs = meet(wire, context_for(tlsCAFile=CA), host)
    assert ours.send(b"ping") == 4
    assert receive(theirs, 100) == b"ping"
    assert theirs.send(b"pong") == 4
    assert receive(ours, 2) == b"po"
    assert receive(ours, 100) == b"ng"
    assert ours.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("system_ca", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_without_a_ca_file_those_of_the_system_count(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system_ca: str
) -> None:
    monkeypatch.setenv(system_ca, CA if system_ca == "SSL_CERT_FILE" else hashed(tmp_path))
    meet(wire, context_for(tls=True))


def test_the_ca_file_may_be_a_directory(wire: Wire, tmp_path: Path) -> None:
    meet(wire, context_for(tlsCAFile=hashed(tmp_path)))


def hashed(directory: Path) -> str:
    """Lay the authority out as OpenSSL looks for it."""
    openssl = ["openssl", "x509", "-noout", "-hash", "-in", CA]
    try:
        name = subprocess.run(openssl, check=True, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    (directory / f"{name}.0").write_bytes(Path(CA).read_bytes())
    return str(directory)


def test_a_server_of_another_authority_is_refused(wire: Wire) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        meet(wire, context_for(tlsCAFile=str(CERTS / "other_ca.pem")))


def test_a_server_of_another_name_is_refused(wire: Wire) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"example\.com"):
        meet(wire, context_for(tlsCAFile=CA), "example.com")


def test_the_peer_of_a_failed_handshake_is_told(wire: Wire) -> None:
    ours = TlsSocket(context_for(tls=True, tlsCAFile=str(CERTS / "other_ca.pem")), wire[0], "h")
    theirs = TlsSocket(server_context(), wire[1], None, server_side=True)
    for side, outcome in (
        (ours, ssl.SSLWantReadError),
        (theirs, ssl.SSLWantReadError),
        (ours, ssl.SSLCertVerificationError),
    ):
        with pytest.raises(outcome):
            side.do_handshake()
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        theirs.do_handshake()


@pytest.mark.parametrize(
    "options",
    [
        {"tlsCAFile": CA, "tlsAllowInvalidHostnames": True},
        {"tls": True, "tlsAllowInvalidCertificates": True},
        {"tls": True, "tlsInsecure": True},
    ],
    ids=["hostnames", "certificates", "insecure"],
)
def test_the_checks_can_be_switched_off(wire: Wire, options: dict[str, Any]) -> None:
    meet(wire, context_for(**options), "example.com")


def test_invalid_host_names_are_not_invalid_certificates(wire: Wire) -> None:
    context = context_for(tlsCAFile=str(CERTS / "other_ca.pem"), tlsAllowInvalidHostnames=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        meet(wire, context)


@pytest.mark.parametrize(("crl", "is_revoked"), [("crl.pem", False), ("crl_revoked.pem", True)])
def test_a_revoked_certificate_is_refused(wire: Wire, crl: str, is_revoked: bool) -> None:
    context = context_for(tlsCAFile=CA, tlsCRLFile=str(CERTS / crl))
    if not is_revoked:
        meet(wire, context)
        return
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        meet(wire, context)


@pytest.mark.parametrize(
    "options",
    [
        {"tlsCertificateKeyFile": str(CERTS / "client.pem")},
        {
            "tlsCertificateKeyFile": str(CERTS / "client_locked.pem"),
            "tlsCertificateKeyFilePassword": "secret",
        },
    ],
    ids=["plain", "locked"],
)
def test_the_client_shows_its_own_certificate(wire: Wire, options: dict[str, Any]) -> None:
    ours, theirs = meet(wire, context_for(tlsCAFile=CA, **options), client_ca=CA)
    ours.send(b"x")
    assert receive(theirs, 1) == b"x"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tlsCertificateKeyFile": str(CERTS / "client_locked.pem")}, "Password"),
        (
            {
                "tlsCertificateKeyFile": str(CERTS / "client_locked.pem"),
                "tlsCertificateKeyFilePassword": "wrong",
            },
            "Password",
        ),
        ({"tlsCertificateKeyFile": CA}, "tlsCertificateKeyFile"),
        ({"tlsCAFile": __file__}, "tlsCAFile"),
        ({"tlsCRLFile": __file__}, "tlsCRLFile"),
    ],
    ids=["no password", "wrong password", "no key", "no CA", "no CRL"],
)
def test_an_unusable_file_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        context_for(**options)


def test_what_does_not_fit_is_sent_when_the_peer_reads(wire: Wire) -> None:
    ours, theirs = meet(wire, context_for(tlsCAFile=CA))
    data = memoryview(os.urandom(BIG))
    rest, came = data, bytearray()
    was_full = False
    while rest or len(came) < BIG:
        try:
            rest = rest[ours.send(rest) :] if rest else rest
        except ssl.SSLWantWriteError:
            was_full = True
            # Reading meanwhile must not lose track of what is half sent.
            with pytest.raises(ssl.SSLWantReadError):
                receive(ours, 1)
        try:
            came += receive(theirs, 50_000)
        except ssl.SSLWantReadError:
            continue
    assert was_full
    assert came == data


def test_what_a_read_flushed_is_not_sent_twice(wire: Wire) -> None:
    ours, theirs = meet(wire, context_for(tlsCAFile=CA))
    data = memoryview(os.urandom(BIG))
    sent = 0
    while True:
        try:
            sent += ours.send(data[sent:])
        except ssl.SSLWantWriteError:
            break
    came = receive_all(theirs)
    with pytest.raises(ssl.SSLWantReadError):
        receive(ours, 1)  # flushes
    last = ours.send(data[sent : sent + 40_000])
    sent += last
    came += receive_all(theirs)
    assert came == data[:sent]


def test_a_peer_that_left_reads_as_the_end(wire: Wire) -> None:
    ours, theirs = meet(wire, context_for(tlsCAFile=CA))
    theirs.close()
    assert receive(ours, 10) == b""


def test_a_peer_that_leaves_during_the_handshake_is_an_error(wire: Wire) -> None:
    ours = TlsSocket(context_for(tls=True), wire[0], "localhost")
    with pytest.raises(ssl.SSLWantReadError):
        ours.do_handshake()
    wire[1].close()
    with pytest.raises(OSError, match=r".+"):
        ours.do_handshake()


def test_closing_twice_is_fine(wire: Wire) -> None:
    ours = TlsSocket(context_for(tls=True), wire[0], "localhost")
    assert ours.fileno() == wire[0].fileno()
    assert ours.version() is None
    ours.close()
    ours.close()
    assert ours.fileno() == -1


PATCHED = """
import sys
sys.path.insert(0, {root!r})
{imports}
import tests.net.test_tls as plain
import _socket
from gevent.monkey import get_original
plain_socket = get_original("socket", "socket")
pair = [plain_socket(fileno=half.detach()) for half in _socket.socketpair()]
for sock in pair:
    sock.setblocking(False)
ours, theirs = plain.meet(pair, plain.context_for(
    tlsCAFile=plain.CA, tlsCRLFile=str(plain.CERTS / "crl.pem"),
    tlsCertificateKeyFile=str(plain.CERTS / "client.pem")))
ours.send(b"ping")
assert plain.receive(theirs, 10) == b"ping"
plain.context_for(tls=True, tlsInsecure=True)
import gc
from gevent.hub import Hub
assert not [it for it in gc.get_objects() if isinstance(it, Hub)], "TLS must not start a hub"
print("fine")
"""


@pytest.mark.gevent_patched
@pytest.mark.parametrize(
    "imports",
    [
        "from gevent import monkey; monkey.patch_all()",
        "import warnings; warnings.simplefilter('ignore'); import ssl, socket;"
        " from gevent import monkey; monkey.patch_all()",
        "import socket; from gevent import monkey; monkey.patch_socket(); import ssl",
    ],
    ids=["patched first", "patched late", "socket only"],
)
def test_a_patched_process_uses_plain_sockets_all_the_same(imports: str) -> None:
    program = PATCHED.format(root=str(ROOT), imports=imports)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr
