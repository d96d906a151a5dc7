"""The first command on a connection, and the checks that follow: hello by either of its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenmongo._core.server_api import add_server_api

if TYPE_CHECKING:
    from pymongo.server_api import ServerApi

    from greenmongo._core.types import Document

__all__ = ["build_handshake", "build_hello"]

BACKPRESSURE = "2"
"""We wait before we come back to a server that has too much to do, as long as that says."""


def build_handshake(
    metadata: Document,
    *,
    load_balanced: bool = False,
    compressors: Sequence[str] = (),
    server_api: ServerApi | None = None,
    sasl_supported_mechs: str | None = None,
    speculative_auth: Document | None = None,
) -> Document:
    """Return the first command on a new connection.

    Args:
        metadata: the `client` document, from `client_metadata.build_metadata`.
        load_balanced: the client is behind a load balancer.
        compressors: names of the compressors on offer, the preferred one first.
        server_api: the API version the client asked for.
        sasl_supported_mechs: "database.user", to learn which mechanisms the user may use.
        speculative_auth: the first command of authentication, sent along to save a round trip.
    """
    command = build_hello(hello_ok=load_balanced, server_api=server_api)
    command["backpressure"] = BACKPRESSURE
    command["client"] = metadata
    if compressors:
        command["compression"] = list(compressors)
    if load_balanced:
        command["loadBalanced"] = True
    if sasl_supported_mechs is not None:
        command["saslSupportedMechs"] = sasl_supported_mechs
    if speculative_auth is not None:
        command["speculativeAuthenticate"] = speculative_auth
    return command


def build_hello(
    *,
    hello_ok: bool,
    server_api: ServerApi | None = None,
    topology_version: Mapping[str, Any] | None = None,
    max_await_time: float | None = None,
) -> Document:
    """Return a hello for a connection that has shaken hands already.

    Args:
        hello_ok: the server said that it knows the command by its modern name.
        server_api: the API version the client asked for; it implies the modern name.
        topology_version: from the last reply; the server waits until it has news.
        max_await_time: how long it waits at most, in seconds; goes with `topology_version`.
    """
    name = "hello" if hello_ok or server_api is not None else "isMaster"
    command: Document = {name: 1, "helloOk": True}
    if topology_version is not None and max_await_time is not None:
        command["topologyVersion"] = topology_version
        command["maxAwaitTimeMS"] = int(max_await_time * 1000)
    if server_api is not None:
        add_server_api(command, server_api)
    return command
