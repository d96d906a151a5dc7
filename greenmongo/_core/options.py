"""The client's options: one frozen value made of connection string, keywords and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from bson.codec_options import CodecOptions
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)
from pymongo.write_concern import WriteConcern

from greenmongo._core.connection_string import Target, read_hosts
from greenmongo._core.credentials import Credentials, build_credentials
from greenmongo._core.option_values import read_keywords, spelled

if TYPE_CHECKING:
    from pymongo.monitoring import (
        CommandListener,
        ConnectionPoolListener,
        ServerHeartbeatListener,
        ServerListener,
        TopologyListener,
    )
    from pymongo.server_api import ServerApi

    from greenmongo._core.types import Address, ReadMode

    Listener: TypeAlias = (
        CommandListener
        | ServerHeartbeatListener
        | ServerListener
        | TopologyListener
        | ConnectionPoolListener
    )

__all__ = ["ClientOptions", "DriverFacts", "SrvOptions", "TlsOptions"]


class DriverFacts(Protocol):
    """What `pymongo.driver_info.DriverInfo` holds about a driver built on top of this one."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str | None: ...

    @property
    def platform(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How connections are encrypted and the server's certificate is checked."""

    ca_file: str | None = None
    """A file of CA certificates or a directory of them; None: those of the system."""
    certificate_key_file: str | None = None
    certificate_key_file_password: str | None = field(default=None, repr=False)
    crl_file: str | None = None
    allow_invalid_certificates: bool = False
    allow_invalid_hostnames: bool = False
    disable_ocsp_endpoint_check: bool = False


@dataclass(frozen=True, slots=True)
class SrvOptions:
    """How the hosts behind a `mongodb+srv://` name are found."""

    fqdn: str
    service_name: str = "mongodb"
    max_hosts: int = 0
    """0: all of them."""
    allowed_hosts_suffix: str | None = None
    host_validator: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """All options of one client. Durations are seconds; None means no limit."""

    seeds: tuple[Address, ...] = (("localhost", 27017),)
    srv: SrvOptions | None = None
    default_database: str | None = None

    replica_set: str | None = None
    direct_connection: bool | None = None
    """None: not said; a single seed is then not taken for a standalone server."""
    load_balanced: bool = False
    connect: bool | None = None
    """None: not said, so yes unless the environment freezes processes (FaaS)."""

    credentials: Credentials | None = None
    tls: TlsOptions | None = None
    """None: no encryption."""

    server_selection_timeout: float = 30.0
    server_selector: Callable[[list[Any]], list[Any]] | None = None
    local_threshold: float = 0.015
    heartbeat_interval: float = 10.0
    server_monitoring_mode: Literal["auto", "stream", "poll"] = "auto"

    connect_timeout: float | None = 20.0
    socket_timeout: float | None = None
    timeout: float | None = None
    """timeoutMS. 0.0 is said explicitly and means no limit."""
    max_pool_size: int | None = 100
    min_pool_size: int = 0
    max_idle_time: float | None = None
    max_connecting: int = 2
    wait_queue_timeout: float | None = None
    wait_queue_multiple: int | None = None
    """Accepted for old configurations; waiting callers are not limited."""

    app_name: str | None = None
    driver_info: DriverFacts | None = None
    compressors: tuple[str, ...] = ()
    zlib_level: int = -1
    server_api: ServerApi | None = None

    retry_reads: bool = True
    retry_writes: bool = True
    max_adaptive_retries: int = 2
    enable_overload_retargeting: bool = False

    read_preference: ReadMode = field(default_factory=Primary)
    read_concern: ReadConcern = field(default_factory=ReadConcern)
    write_concern: WriteConcern = field(default_factory=WriteConcern)
    codec_options: CodecOptions[Any] = field(default_factory=CodecOptions)
    event_listeners: tuple[Listener, ...] = ()

    auto_start_request: bool = False
    """Whether a context's first operation starts a request."""
    use_greenlets: bool = False
    """Whether the context is always the greenlet, never the thread."""

    @classmethod
    def build(
        cls,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        **keywords: Any,
    ) -> ClientOptions:
        """Make the options from what a client is constructed with; keywords win over the URI.

        Raises:
            ConfigurationError: an unknown keyword, or options that contradict each other.
            InvalidURI: a malformed connection string.
            TypeError, ValueError: a keyword's value is not one of that option.
        """
        target = read_hosts(host, port)
        options = {**target.options, **read_keywords(keywords)}
        _check_deployment(options, target)
        chosen = {
            field_name: options[name] for name, field_name in _PLAIN.items() if name in options
        }
        return cls(
            **chosen,
            **_connection_fields(options),
            seeds=target.seeds,
            srv=_srv(options, target),
            default_database=target.database,
            credentials=build_credentials(
                options,
                username=options.get("username", target.username),
                password=options.get("password", target.password),
                database=target.database,
            ),
            tls=_tls(options, is_srv=target.fqdn is not None),
            read_preference=_read_preference(options),
            read_concern=ReadConcern(options.get("readconcernlevel")),
            write_concern=_write_concern(options),
            codec_options=_codec_options(options),
        )


# Options whose checked value is the field's value.
_PLAIN: Mapping[str, str] = {
    "appname": "app_name",
    "auto_start_request": "auto_start_request",
    "connect": "connect",
    "connecttimeoutms": "connect_timeout",
    "directconnection": "direct_connection",
    "driver": "driver_info",
    "enableoverloadretargeting": "enable_overload_retargeting",
    "event_listeners": "event_listeners",
    "loadbalanced": "load_balanced",
    "maxadaptiveretries": "max_adaptive_retries",
    "maxconnecting": "max_connecting",
    "maxidletimems": "max_idle_time",
    "minpoolsize": "min_pool_size",
    "retryreads": "retry_reads",
    "retrywrites": "retry_writes",
    "server_api": "server_api",
    "server_selector": "server_selector",
    "servermonitoringmode": "server_monitoring_mode",
    "serverselectiontimeoutms": "server_selection_timeout",
    "sockettimeoutms": "socket_timeout",
    "timeoutms": "timeout",
    "use_greenlets": "use_greenlets",
    "waitqueuemultiple": "wait_queue_multiple",
    "waitqueuetimeoutms": "wait_queue_timeout",
    "zlibcompressionlevel": "zlib_level",
}
