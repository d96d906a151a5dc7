"""The constructor and the attributes of PyMongo 2.x's replica set clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from pymongo.errors import ConfigurationError, ServerSelectionTimeoutError
from pymongo.read_preferences import ReadPreference

from greenmongo._core.types import DocT
from greenmongo._legacy._client_base import LegacyClientBase

if TYPE_CHECKING:
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address
    from greenmongo._legacy._options import Hosts

__all__ = ["LegacyReplicaSetClient"]


class LegacyReplicaSetClient(LegacyClientBase[DocT], Generic[DocT]):
    """A client of a replica set, as PyMongo 2.x had it."""

    def __init__(
        self,
        hosts_or_uri: str | None = None,
        max_pool_size: int | None = None,
        document_class: type[DocT] | None = None,
        tz_aware: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a replica set and wait for its primary, or without one for any member.

        Args:
            hosts_or_uri: a URI or "host:port,host:port", of any members.
            max_pool_size: how many connections may be open to one member, 100 by default.
            document_class: the type of returned documents, `dict` by default.
            tz_aware: return datetimes with a time zone.
            **kwargs: `replicaSet`, which must be given here or in the URI; `host`, `port` and
                `network_timeout` as for `Connection`; further options, by the old names or today's.

        Raises:
            ConfigurationError: `replicaSet` is missing or not the name of the set, or an option
                is unknown.
            ServerSelectionTimeoutError: an AutoReconnect; nobody answered in time.
        """
        options = dict(kwargs)
        host: Hosts = options.pop("host", None) or hosts_or_uri
        port = options.pop("port", None)
        options["connect"] = options.pop("_connect", options.get("connect", True))
        options["max_pool_size"] = max_pool_size
        super().__init__(host, port, document_class, tz_aware, options)

    def _refine(self, options: ClientOptions) -> ClientOptions:
        if options.replica_set is None:
            raise ConfigurationError("the replicaSet option is required: the name of the set")
        return options

    def _find_server(self) -> None:
        try:
            super()._find_server()
        except ServerSelectionTimeoutError as error:
            if not self._servers():
                raise ConfigurationError(str(error)) from error
            self._executor.select_address(ReadPreference.NEAREST)

    def disconnect(self) -> None:
        """Close the connections to the primary; the next operation opens new ones.

        Requests go on, with a new connection each.
        """
        self._reopening.disconnect(primary_only=True)

    def refresh(self) -> None:
        """Have every member checked now; does not wait for the outcome."""
        self._reopening.request_checks()

    @property
    def seeds(self) -> frozenset[Address]:
        """The addresses that were given."""
        return frozenset(self._options.seeds)

    @property
    def hosts(self) -> frozenset[Address]:
        """The addresses of the members that hold data, as far as they are known."""
        told = (server.hosts | server.passives for server in self._servers())
        return frozenset().union(*told)
