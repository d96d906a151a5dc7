"""The client's options: one frozen value made of connection string, keywords and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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

from greenmongo._core.options.connection_string import ParsedHosts, read_hosts
from greenmongo._core.options.credentials import Credentials, build_credentials
from greenmongo._core.options.pool_options import PoolOptions
from greenmongo._core.options.proxy import ProxyOptions, build_proxy_options
from greenmongo._core.options.srv import TXT_OPTIONS, SrvOptions, check_name, check_suffix
from greenmongo._core.options.table import OPTIONS, documented_name
from greenmongo._core.options.tls import TlsOptions, build_tls_options
from greenmongo._core.options.validation import read_keywords

if TYPE_CHECKING:
    from pymongo.monitoring import (
        CommandListener,
        ConnectionPoolListener,
        ServerHeartbeatListener,
        ServerListener,
        TopologyListener,
    )
    from pymongo.server_api import ServerApi

    from greenmongo._core.client_metadata import DriverInfoLike
    from greenmongo._core.types import Address, ReadMode

    Listener: TypeAlias = (
        CommandListener
        | ServerHeartbeatListener
        | ServerListener
        | TopologyListener
        | ConnectionPoolListener
    )
    _TaggedMode: TypeAlias = PrimaryPreferred | Secondary | SecondaryPreferred | Nearest

__all__ = ["ClientOptions", "SrvOptions", "TlsOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """All options of one client. Durations are seconds; None means no limit."""

    seeds: tuple[Address, ...] = (("localhost", 27017),)
    """Empty as long as `srv` names the hosts and nobody has looked them up."""
    srv: SrvOptions | None = None
    """Set for a `mongodb+srv://` URI."""
    default_database: str | None = None

    replica_set: str | None = None
    direct_connection: bool | None = None
    """None: not given; a single seed is then not taken for a standalone server."""
    strict_primary: bool = False
    """A direct connection reads in mode primary only if it is to the primary, as in PyMongo 2.x."""
    load_balanced: bool = False
    connect: bool | None = None
    """None: not given, so yes unless the environment freezes processes (FaaS)."""

    credentials: Credentials | None = None
    tls: TlsOptions | None = None
    """None: no encryption."""
    proxy: ProxyOptions | None = None
    """None: direct connections."""

    server_selection_timeout: float = 30.0
    server_selector: Callable[[list[Any]], list[Any]] | None = None
    local_threshold: float = 0.015
    heartbeat_interval: float = 10.0
    server_monitoring_mode: Literal["auto", "stream", "poll"] = "auto"

    connect_timeout: float | None = 20.0
    socket_timeout: float | None = None
    timeout: float | None = None
    """timeoutMS. 0.0 is given explicitly and means no limit."""
    max_pool_size: int | None = 100
    min_pool_size: int = 0
    max_idle_time: float | None = None
    max_connecting: int = 2
    wait_queue_timeout: float | None = None
    wait_queue_multiple: int | None = None
    """How many callers may wait for a connection, as a multiple of `max_pool_size`."""

    app_name: str | None = None
    driver_info: DriverInfoLike | None = None
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
    listeners: tuple[Listener, ...] = ()
    tracing: Mapping[str, Any] | None = None
    """How spans are made for OpenTelemetry; None: as the environment says."""

    auto_start_request: bool = False
    """Whether a context's first operation starts a request."""
    use_greenlets: bool = False
    """Whether the context is always the greenlet, never the thread."""

    given: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What URI and keywords give, by lower-case names: what a client shows of itself."""
    tell_metadata: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False, compare=False)
    """Tells what handshakes tell of the client now; wrapping libraries may add to it."""

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
        parsed = read_hosts(host, port)
        options = {**parsed.options, **read_keywords(keywords)}
        _check_deployment(options, parsed.seeds)
        srv = _srv_options(options, parsed)
        if srv is not None and not {"tls", "ssl"} & options.keys():
            options["tls"] = True
        copied = {into: options[name] for name, into in _FIELDS.items() if name in options}
        return cls(
            **copied,
            **_deduced(options),
            given=options,
            seeds=parsed.seeds,
            srv=srv,
            default_database=parsed.database,
            tls=build_tls_options(options),
            proxy=build_proxy_options(options),
            credentials=build_credentials(
                options,
                username=options.get("username", parsed.username),
                password=options.get("password", parsed.password),
                database=parsed.database,
            ),
        )

    def with_hosts(self, hosts: Sequence[Address], txt_options: Mapping[str, Any]) -> ClientOptions:
        """Return the options of a `mongodb+srv://` URI once its records are known.

        Args:
            hosts: the hosts that the SRV records list.
            txt_options: what the TXT record gives; what is given elsewhere goes before it.

        Raises:
            ConfigurationError: all of it together makes no sense.
        """
        srv = self.srv
        if srv is None:
            raise ConfigurationError("only the hosts of a mongodb+srv:// URI are looked up")
        added = {name: value for name, value in txt_options.items() if name not in srv.given}
        known = {
            "directconnection": self.direct_connection,
            "loadbalanced": added.get("loadbalanced", self.load_balanced),
            "replicaset": added.get("replicaset") or self.replica_set,
        }
        _check_deployment(known, tuple(hosts))
        _check_max_hosts(known, srv.max_hosts)
        credentials, source = self.credentials, added.get("authsource")
        if credentials is not None and source is not None:
            credentials = credentials.in_source(source)
        return replace(
            self,
            seeds=tuple(hosts),
            credentials=credentials,
            load_balanced=known["loadbalanced"],
            replica_set=known["replicaset"],
        )

    @property
    def replica_set_name(self) -> str | None:
        """The replica set's name, as PyMongo's `ClientOptions` calls it."""
        return self.replica_set

    @property
    def heartbeat_frequency(self) -> float:
        """The seconds between two checks of a server, as PyMongo calls them."""
        return self.heartbeat_interval

    @property
    def local_threshold_ms(self) -> float:
        """The width of the latency window in milliseconds, as PyMongo gives it."""
        return self.local_threshold * 1000

    @property
    def auto_encryption_opts(self) -> None:
        """PyMongo's name for what does not exist here: client-side encryption."""
        return

    @property
    def event_listeners(self) -> list[Listener]:
        """The listeners, in a list of the reader's own, as PyMongo gives them."""
        return list(self.listeners)

    @property
    def pool_options(self) -> PoolOptions:
        """The pool's part, and what handshakes tell of the client, as PyMongo groups them."""
        return PoolOptions(
            max_pool_size=self.given.get("maxpoolsize", self.max_pool_size),
            min_pool_size=self.min_pool_size,
            max_connecting=self.max_connecting,
            max_idle_time_seconds=self.max_idle_time,
            connect_timeout=self.connect_timeout,
            socket_timeout=self.socket_timeout,
            wait_queue_timeout=self.wait_queue_timeout,
            tls_allow_invalid_hostnames=self.tls is not None and self.tls.allow_invalid_hostnames,
            appname=self.app_name,
            driver=self.driver_info,
            metadata=dict(self.tell_metadata()),
            server_api=self.server_api,
            load_balanced=self.load_balanced,
        )


_FIELDS: Mapping[str, str] = {
    name: option.field for name, option in OPTIONS.items() if option.field is not None
}
_CODEC_OPTIONS: Mapping[str, str] = {
    name: option.codec_option for name, option in OPTIONS.items() if option.codec_option is not None
}

_READ_MODES: Mapping[str, type[_TaggedMode]] = {
    "primaryPreferred": PrimaryPreferred,
    "secondary": Secondary,
    "secondaryPreferred": SecondaryPreferred,
    "nearest": Nearest,
}

_MIN_HEARTBEAT_INTERVAL = 0.5  # the specification's floor


def _deduced(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that take more than a copy of one option."""
    # 0 as well as None is "no limit".
    max_pool_size = options.get("maxpoolsize", 100) or None
    if max_pool_size and options.get("minpoolsize", 0) > max_pool_size:
        raise ValueError("minPoolSize must be smaller or equal to maxPoolSize")
    interval = options.get("heartbeatfrequencyms")
    if interval is not None and interval < _MIN_HEARTBEAT_INTERVAL:
        raise ConfigurationError(
            f"heartbeatFrequencyMS cannot be less than {_MIN_HEARTBEAT_INTERVAL * 1000:g},"
            f" not {interval * 1000:g}"
        )
    return {
        "max_pool_size": max_pool_size,
        "heartbeat_interval": 10.0 if interval is None else interval,
        "local_threshold": options.get("localthresholdms", 15.0) / 1000,
        "replica_set": options.get("replicaset") or None,
        "compressors": tuple(options.get("compressors", ())),
        "read_preference": _read_preference(options),
        "read_concern": ReadConcern(options.get("readconcernlevel")),
        "write_concern": WriteConcern(
            options.get("w"),
            options.get("wtimeoutms"),
            options.get("journal"),
            options.get("fsync"),
        ),
        "codec_options": CodecOptions(
            **{
                attribute: options[name]
                for name, attribute in _CODEC_OPTIONS.items()
                if name in options
            }
        ),
    }


def _read_preference(options: Mapping[str, Any]) -> ReadMode:
    """Return the read preference object, or the one that the separate options describe."""
    whole: ReadMode | None = options.get("read_preference")
    if whole is not None:
        return whole
    name = options.get("readpreference", "primary")
    tag_sets = options.get("readpreferencetags")
    max_staleness = options.get("maxstalenessseconds", -1)
    if name != "primary":
        return _READ_MODES[name](tag_sets, max_staleness)
    if tag_sets not in (None, [{}]):
        raise ConfigurationError("Read preference primary cannot be combined with tags")
    if max_staleness != -1:
        raise ConfigurationError(
            "Read preference primary cannot be combined with maxStalenessSeconds"
        )
    return Primary()


def _check_deployment(options: Mapping[str, Any], seeds: Sequence[Address]) -> None:
    """Check what the URI options specification forbids to combine."""
    several = len(seeds) > 1
    direct = options.get("directconnection")
    if several and direct:
        raise ConfigurationError("Cannot specify multiple hosts with directConnection=true")
    if not options.get("loadbalanced"):
        return
    if several:
        raise ConfigurationError("Cannot specify multiple hosts with loadBalanced=true")
    if direct:
        raise ConfigurationError("Cannot specify directConnection=true with loadBalanced=true")
    if options.get("replicaset"):
        raise ConfigurationError("Cannot specify replicaSet with loadBalanced=true")


def _srv_options(options: Mapping[str, Any], parsed: ParsedHosts) -> SrvOptions | None:
    """Return how to look the hosts up, or None if they are known."""
    validator = options.get("srv_host_validator")
    suffix = options.get("srvallowedhostssuffix")
    if parsed.fqdn is None:
        # As keywords they are harmless: configurations are shared between deployments.
        names = [name for name in parsed.options if name.startswith("srv") and parsed.options[name]]
        if validator is not None:
            names.append("srv_host_validator")
        for name in names:
            raise ConfigurationError(
                f"The {documented_name(name)} option is only allowed with 'mongodb+srv://' URIs"
            )
        return None
    if validator is not None and suffix is not None:
        raise ConfigurationError("Cannot specify both srv_host_validator and srvAllowedHostsSuffix")
    if options.get("directconnection"):
        raise ConfigurationError("Cannot specify directConnection=true with mongodb+srv:// URIs")
    check_name(parsed.fqdn)
    max_hosts = options.get("srvmaxhosts") or 0
    _check_max_hosts(options, max_hosts)
    return SrvOptions(
        fqdn=parsed.fqdn,
        service_name=options.get("srvservicename") or "mongodb",
        max_hosts=max_hosts,
        allowed_hosts_suffix=None if suffix is None else check_suffix(suffix),
        host_validator=validator,
        given=TXT_OPTIONS & options.keys(),
    )


def _check_max_hosts(options: Mapping[str, Any], max_hosts: int) -> None:
    """Check that the number of hosts is not limited where all of them must be known."""
    for name in ("replicaset", "loadbalanced"):
        if max_hosts and options.get(name):
            raise InvalidURI(f"You cannot specify {documented_name(name)} with srvMaxHosts")
