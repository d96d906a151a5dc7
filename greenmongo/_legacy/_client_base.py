"""The constructor and the attributes of PyMongo 2.x, on a client of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

from pymongo.errors import PyMongoError

from greenmongo._api.client import MongoClient
from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.types import DocT
from greenmongo._legacy._executor import ReopeningExecutor
from greenmongo._legacy._options import translate
from greenmongo._legacy._settings import Settings

if TYPE_CHECKING:
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address
    from greenmongo._legacy._options import Hosts
    from greenmongo._net.executor import Executor

__all__ = ["LegacyClientBase"]


class LegacyClientBase(Settings, MongoClient[DocT], Generic[DocT]):
    """A `MongoClient` with the options and attributes of PyMongo 2.x."""

    _executor_class: ClassVar[type[Executor]] = ReopeningExecutor

    _defaults: ClassVar[Mapping[str, Any]] = {}
    """Options that differ from today's when nobody says anything."""

    def __init__(
        self,
        host: Hosts,
        port: int | None,
        document_class: type[DocT] | None,
        tz_aware: bool | None,
        options: Mapping[str, Any],
    ) -> None:
        named = dict(options)
        wants_connection = named.pop("connect", True)
        host, modern = translate(self.HOST if host is None else host, named, self._defaults)
        built = self._build_options(
            host,
            port,
            modern,
            document_class=document_class,
            tz_aware=tz_aware,
            connect=False,
            type_registry=modern.pop("type_registry", None),
        )
        self._set_up(replace(self._refine(built), connect=wants_connection))
        if wants_connection:
            self._connect()

    @property
    def _reopening(self) -> ReopeningExecutor:
        return cast("ReopeningExecutor", self._executor)

    def _refine(self, options: ClientOptions) -> ClientOptions:
        """Return the options with what this class deduces from them."""
        return options

    def _connect(self) -> None:
        """Wait for a server, as the constructors of PyMongo 2.x did.

        Raises:
            ServerSelectionTimeoutError: an AutoReconnect; no server in time.
        """
        try:
            self._find_server()
        except BaseException:
            self._executor.close()
            raise

    def _find_server(self) -> None:
        self._executor.select_address(None)

    def disconnect(self) -> None:
        """Close the connections; the next operation opens new ones.

        Requests go on, with a new connection each.
        """
        self._reopening.disconnect()

    def alive(self) -> bool:
        """Tell whether a server answers now."""
        try:
            self.get_database("admin").command("ping")
        except PyMongoError:
            return False
        return True

    # What the last hello told: nothing here waits.

    def _current(self) -> ServerDescription | None:
        """Return the server that operations go to, None while there is none."""
        if self.topology_description.kind is TopologyKind.SINGLE:
            return next((s for s in self._servers() if s.is_server_type_known), None)
        return next((s for s in self._servers() if s.is_writable), None)

    def _told(self) -> ServerDescription:
        # The specification's defaults, while no server is known.
        return self._current() or ServerDescription.unknown((self.HOST, self.PORT))

    @property
    def address(self) -> Address | None:
        """The address of the server that operations go to, None while there is none."""
        server = self._current()
        return None if server is None else server.address

    @property
    def is_primary(self) -> bool:
        """Whether the server that operations go to takes writes."""
        server = self._current()
        return server is not None and server.is_writable

    @property
    def is_mongos(self) -> bool:
        """Whether the deployment is reached through a mongos."""
        return any(server.mongos for server in self._servers())

    @property
    def max_bson_size(self) -> int:
        """The largest document the server takes, in bytes."""
        return self._told().max_bson_size

    @property
    def max_message_size(self) -> int:
        """The largest message the server takes, in bytes."""
        return self._told().max_message_size

    @property
    def max_write_batch_size(self) -> int:
        """How many writes the server takes in one command."""
        return self._told().max_write_batch_size

    @property
    def min_wire_version(self) -> int:
        """The oldest wire protocol version the server speaks."""
        return self._told().min_wire_version

    @property
    def max_wire_version(self) -> int:
        """The newest wire protocol version the server speaks."""
        return self._told().max_wire_version

    # The options, by their old names.

    @property
    def max_pool_size(self) -> int | None:
        """How many connections to one server may be open; None for no limit."""
        return self._options.max_pool_size

    @property
    def document_class(self) -> type[DocT]:
        """The type of returned documents; one that is assigned is for databases to come."""
        kind: type[DocT] = self._namespace.codec_options.document_class
        return kind

    @document_class.setter
    def document_class(self, value: type[DocT]) -> None:
        self._override(
            codec_options=self._namespace.codec_options.with_options(document_class=value)
        )

    @property
    def tz_aware(self) -> bool:
        """Whether returned datetimes have a time zone."""
        return self._namespace.codec_options.tz_aware

    @property
    def secondary_acceptable_latency_ms(self) -> float:
        """The width of the latency window."""
        return self._options.local_threshold_ms
