"""Connection: the client class of PyMongo before 2.4."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenmongo._core.types import DocT
from greenmongo._legacy._client import LegacyClient

if TYPE_CHECKING:
    from greenmongo._core.options import ClientOptions
    from greenmongo._legacy._options import Hosts

__all__ = ["Connection"]


class Connection(LegacyClient[DocT]):
    """A `MongoClient` with the constructor, the defaults and the attributes of PyMongo 2.x.

    Each greenlet, thread or task gets a connection of its own with its first operation. Nothing
    is retried. One host and no `replicaSet` means that server alone, whatever it is.
    """

    def __init__(
        self,
        host: Hosts = None,
        port: int | None = None,
        max_pool_size: int | None = None,
        network_timeout: float | None = None,
        document_class: type[DocT] | None = None,
        tz_aware: bool | None = None,
        _connect: bool = True,
        **kwargs: Any,
    ) -> None:
        """Open a deployment and wait until it answers.

        Args:
            host: a URI, a host name, or a list of them.
            port: the port of hosts that name none.
            max_pool_size: how many connections may be open to one server, 100 by default; a
                context keeps its own until its request ends, so this bounds the contexts.
            network_timeout: the seconds to wait for an answer.
            document_class: the type of returned documents, `dict` by default.
            tz_aware: return datetimes with a time zone.
            _connect: False: connect with the first operation. Also as `connect`.
            **kwargs: further options, by the old names or today's.

        Raises:
            ConfigurationError: an option is unknown, or has no such value.
            ServerSelectionTimeoutError: an AutoReconnect; nobody answered in time.
        """
        options = {
            "connect": _connect,
            "max_pool_size": max_pool_size,
            "network_timeout": network_timeout,
            **kwargs,
        }
        super().__init__(host, port, document_class, tz_aware, options)

    def _refine(self, options: ClientOptions) -> ClientOptions:
        is_one_server = len(options.seeds) == 1 and options.replica_set is None
        if options.direct_connection is not None or options.load_balanced or not is_one_server:
            return options
        return replace(options, direct_connection=True, strict_primary=True)

    def close(self) -> None:
        """End every request and close every connection; the next operation opens new ones."""
        self._reopening.suspend()

    @property
    def host(self) -> str | None:
        """The host of the server that operations go to, None while there is none."""
        address = self.address
        return None if address is None else address[0]

    @property
    def port(self) -> int | None:
        """The port of the server that operations go to, None while there is none."""
        address = self.address
        return None if address is None else address[1]
