"""What a client knows of its deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pymongo.errors import InvalidOperation

from greenmongo._api.configured import Configured
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription

if TYPE_CHECKING:
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.sdam.topology_description import TopologyDescription
    from greenmongo._core.types import Address
    from greenmongo._net.executor import Executor

__all__ = ["Deployment"]


class Deployment(Configured):
    """The deployment, as last seen by its monitors.

    Only `address`, `is_primary` and `is_mongos` wait, until there is a server that takes writes,
    as PyMongo's do.
    """

    _executor: Executor

    @property
    def options(self) -> ClientOptions:
        """The options of this client, with what the DNS has added to a `mongodb+srv://` URI."""
        return self._executor.current_options

    @property
    def topology_description(self) -> TopologyDescription:
        """What is known of the deployment."""
        return self._executor.description

    @property
    def nodes(self) -> frozenset[Address]:
        """The addresses of all servers that answer."""
        servers = self._servers()
        return frozenset(s.address for s in servers if s.kind is not ServerKind.UNKNOWN)

    @property
    def address(self) -> Address | None:
        """The address of the standalone, primary or mongos; waits until there is one.

        Raises:
            InvalidOperation: there are several mongos; use `nodes`.
            ServerSelectionTimeoutError: none appeared within serverSelectionTimeoutMS.
        """
        topology = self.topology_description
        if topology.kind is TopologyKind.SHARDED and len(topology.servers) > 1:
            raise InvalidOperation(
                'Cannot use "address" property when load balancing among mongoses, '
                'use "nodes" instead.'
            )
        return self._executor.select_address(None)

    @property
    def primary(self) -> Address | None:
        """The address of the replica set's primary, or None."""
        return next(iter(self._members(ServerKind.RS_PRIMARY)), None)

    @property
    def secondaries(self) -> set[Address]:
        """The addresses of the replica set's secondaries."""
        return self._members(ServerKind.RS_SECONDARY)

    @property
    def arbiters(self) -> set[Address]:
        """The addresses of the replica set's arbiters."""
        return self._members(ServerKind.RS_ARBITER)

    @property
    def is_primary(self) -> bool:
        """Whether the server that operations go to takes writes; waits until there is one.

        With a direct connection that is whatever server there is.

        Raises:
            ServerSelectionTimeoutError: none appeared within serverSelectionTimeoutMS.
        """
        address = self._executor.select_address(None)
        return any(s.is_writable for s in self._servers() if s.address == address)

    @property
    def is_mongos(self) -> bool:
        """Whether the deployment is reached through a mongos; waits until there is a server.

        Raises:
            ServerSelectionTimeoutError: none appeared within serverSelectionTimeoutMS.
        """
        self._executor.select_address(None)
        return any(s.kind is ServerKind.MONGOS for s in self._servers())

    def _servers(self) -> Sequence[ServerDescription]:
        return tuple(self.topology_description.servers.values())

    def _members(self, kind: ServerKind) -> set[Address]:
        return {s.address for s in self._servers() if s.kind is kind}
