"""The command line of a server, tuned for a small machine and a short life."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

from greenmongo.embedded._binary import ServerBinary

__all__ = ["Launch", "TLSFiles", "free_port"]


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """The PEM files of a server that speaks TLS only."""

    certificate_key_file: str | os.PathLike[str]
    """The server's certificate and private key, in one file."""
    ca_file: str | os.PathLike[str] | None = None
    """Who signed the certificates; needed to verify clients, and for replica sets."""
    client_certificate_key_file: str | os.PathLike[str] | None = None
    """A client's certificate and key; given, every client must present one."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What all members of a deployment have in common."""

    binary: ServerBinary
    replica_set: str | None = None
    auth: tuple[str, str] | None = None
    tls: TLSFiles | None = None
    key_file: Path | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def command(self, port: int, directory: Path) -> list[str]:
        """Return the whole command line of one member."""
        if self.binary.is_emulator:
            return [*self.binary.command, "--db", "memory", "--host", "127.0.0.1", "-p", str(port)]
        command = [
            *self.binary.command,
            *("--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"),
            *("--dbpath", str(directory / "db"), "--logpath", str(directory / "log")),
            *("--logappend", "--wiredTigerCacheSizeGB", "0.25"),
        ]
        if self.replica_set is not None:
            command += ["--replSet", self.replica_set, "--oplogSize", "128"]
        if self.key_file is not None:
            command += ["--keyFile", str(self.key_file)]
        elif self.auth is not None:
            command += ["--auth"]
        if self.tls is not None:
            command += tls_arguments(self.tls)
        for name, value in (self.own_parameters() | dict(self.parameters)).items():
            command += ["--setParameter", f"{name}={as_parameter(value)}"]
        return command

    def own_parameters(self) -> dict[str, Any]:
        """Return the server parameters that the caller's come on top of."""
        parameters: dict[str, Any] = {"diagnosticDataCollectionEnabled": False}
        if self.binary.version() >= (5, 0):
            # A primary would wait 15 s for clients to notice before it obeys a SIGTERM.
            parameters["shutdownTimeoutMillisForSignaledShutdown"] = 100
        return parameters

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what our own set-up commands connect with."""
        if self.tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # No check of the certificate: we started this process, on the loopback interface.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if self.tls.client_certificate_key_file is not None:
            context.load_cert_chain(self.tls.client_certificate_key_file)
        return context

    def uri(self, hosts: list[str]) -> str:
        """Return the connection string of the deployment, given each member's `host:port`."""
        user = ":".join(map(quote_plus, self.auth)) + "@" if self.auth else ""
        options: dict[str, str] = {}
        if self.replica_set is not None:
            options["replicaSet"] = self.replica_set
        if self.tls is not None:
            options["tls"] = "true"
            if self.tls.ca_file is not None:
                options["tlsCAFile"] = os.path.abspath(self.tls.ca_file)
            if self.tls.client_certificate_key_file is not None:
                key_file = os.path.abspath(self.tls.client_certificate_key_file)
                options["tlsCertificateKeyFile"] = key_file
        query = f"?{urlencode(options)}" if options else ""
        return f"mongodb://{user}{','.join(hosts)}/{query}"


def tls_arguments(tls: TLSFiles) -> list[str]:
    key_file = os.path.abspath(tls.certificate_key_file)
    arguments = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", key_file]
    if tls.ca_file is not None:
        arguments += ["--tlsCAFile", os.path.abspath(tls.ca_file)]
        if tls.client_certificate_key_file is None:
            arguments += ["--tlsAllowConnectionsWithoutCertificates"]
    return arguments


def as_parameter(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
