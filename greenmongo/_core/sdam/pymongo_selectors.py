"""Selection with selectors of PyMongo's, for programs that ask a description what suits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pymongo.server_selectors import Selection

from greenmongo._core.sdam.kinds import ServerKind, TopologyKind

if TYPE_CHECKING:
    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.types import Address

__all__ = ["select_as_pymongo"]


class Deployment(Protocol):
    """What is asked of a `TopologyDescription`."""

    @property
    def kind(self) -> TopologyKind:
        """What kind of deployment it is."""
        ...

    @property
    def known_servers(self) -> list[ServerDescription]:
        """The servers whose type is known."""
        ...

    @property
    def common_wire_version(self) -> int | None:
        """The highest that all of them speak."""
        ...

    @property
    def local_threshold(self) -> float:
        """The width of the latency window in seconds."""
        ...


def select_as_pymongo(
    topology: Deployment,
    selector: Callable[[Any], Any],
    address: Address | None,
    custom_selector: Callable[[list[Any]], list[Any]] | None,
    deprioritized: Sequence[ServerDescription],
) -> list[ServerDescription]:
    """Return the servers within the latency window that a selector lets through."""
    known = topology.known_servers
    if topology.kind in (TopologyKind.UNKNOWN, TopologyKind.SINGLE, TopologyKind.LOAD_BALANCED):
        return [] if topology.kind is TopologyKind.UNKNOWN else known
    if address is not None:
        return [server for server in known if server.address == address]
    avoided = {server.address for server in deprioritized}
    preferred = [server for server in known if server.address not in avoided] or known
    found = _selected(topology, preferred, selector)
    if not found and avoided:
        found = _selected(topology, known, selector)
    if found and custom_selector is not None:
        found = custom_selector(found)
    times = [server.round_trip_time or 0.0 for server in found]
    limit = min(times, default=0.0) + topology.local_threshold
    return [server for server, time in zip(found, times, strict=True) if time <= limit]


def _selected(
    topology: Deployment,
    candidates: list[ServerDescription],
    selector: Callable[[Any], Any],
) -> list[ServerDescription]:
    if topology.kind is TopologyKind.SHARDED:  # every mongos will do
        return candidates
    primary = next((server for server in candidates if server.kind is ServerKind.RS_PRIMARY), None)
    everything: Any = (topology, candidates, topology.common_wire_version, primary)
    return list(selector(Selection(*everything)).server_descriptions)
