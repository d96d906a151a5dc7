"""A server's answer to hello, as the listeners of heartbeats get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bson.objectid import ObjectId

    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.types import Address, Document

__all__ = ["HelloReply"]


class HelloReply:
    """The reply with the attributes of PyMongo's `Hello`: what it says, and `document`."""

    __slots__ = ("_awaitable", "_description", "_document")

    def __init__(
        self, document: Document, description: ServerDescription, *, awaitable: bool = False
    ) -> None:
        self._document = document
        self._description = description
        self._awaitable = awaitable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._document!r})"

    @property
    def document(self) -> Document:
        """The whole reply."""
        return self._document

    @property
    def awaitable(self) -> bool:
        """Whether the server waited for news before it answered."""
        return self._awaitable

    @property
    def server_type(self) -> int:
        """The kind of server as PyMongo's number for it."""
        return self._description.server_type

    @property
    def server_type_name(self) -> str:
        """The kind of server as the specification names it."""
        return self._description.server_type_name

    @property
    def all_hosts(self) -> set[Address]:
        """Every member of the replica set this server knows of."""
        return set(self._description.all_hosts)

    @property
    def tags(self) -> Mapping[str, str]:
        """The member's tags."""
        return self._description.tags

    @property
    def primary(self) -> Address | None:
        """The primary's address, if this server knows one."""
        return self._description.primary

    @property
    def me(self) -> Address | None:
        """The server's own address, as the replica set knows it."""
        return self._description.me

    @property
    def replica_set_name(self) -> str | None:
        """The replica set's name."""
        return self._description.set_name

    @property
    def set_version(self) -> int | None:
        """The version of the replica set's configuration."""
        return self._description.set_version

    @property
    def election_id(self) -> ObjectId | None:
        """The election that made this server the primary."""
        return self._description.election_id

    @property
    def max_bson_size(self) -> int:
        """The largest document this server takes."""
        return self._description.max_bson_size

    @property
    def max_message_size(self) -> int:
        """The largest message this server takes."""
        return self._description.max_message_size

    @property
    def max_write_batch_size(self) -> int:
        """The most writes this server takes in one command."""
        return self._description.max_write_batch_size

    @property
    def min_wire_version(self) -> int:
        """The lowest wire version this server speaks."""
        return self._description.min_wire_version

    @property
    def max_wire_version(self) -> int:
        """The highest wire version this server speaks."""
        return self._description.max_wire_version

    @property
    def logical_session_timeout_minutes(self) -> int | None:
        """How long an unused session lives."""
        return self._description.logical_session_timeout_minutes

    @property
    def is_writable(self) -> bool:
        """Whether this server takes writes."""
        return self._description.is_writable

    @property
    def is_readable(self) -> bool:
        """Whether this server answers reads under some read preference."""
        return self._description.is_readable

    @property
    def topology_version(self) -> Mapping[str, Any] | None:
        """The version of what this server knows of itself."""
        return self._description.topology_version

    @property
    def cluster_time(self) -> Mapping[str, Any] | None:
        """The cluster time that came with the reply."""
        return self._document.get("$clusterTime")

    @property
    def last_write_date(self) -> Any:
        """The time of the last write, by the primary's clock."""
        return self._document.get("lastWrite", {}).get("lastWriteDate")

    @property
    def hello_ok(self) -> bool:
        """Whether this server knows the command `hello`."""
        return bool(self._document.get("helloOk", False))

    @property
    def connection_id(self) -> int | None:
        """The server's own number of the connection."""
        return self._document.get("connectionId")

    @property
    def service_id(self) -> ObjectId | None:
        """The server behind a load balancer."""
        return self._document.get("serviceId")

    @property
    def compressors(self) -> list[str] | None:
        """The compressors that this server and the driver have in common."""
        return self._document.get("compression")

    @property
    def sasl_supported_mechs(self) -> list[str]:
        """The authentication mechanisms of the user that was asked for."""
        return list(self._document.get("saslSupportedMechs", ()))

    @property
    def speculative_authenticate(self) -> Mapping[str, Any] | None:
        """The first answer of an authentication that began with the hello."""
        return self._document.get("speculativeAuthenticate")
