"""Every option of a client, one row each: its name, its values, where it goes, what it means.

A new option is a row here, and a field of `ClientOptions` if its value is kept as it is. What a
URI may say, what is secret, and the page docs/reference/options.md are derived from the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

from greenmongo._core.options.checks import (
    accept_anything,
    check_callable,
    check_compressors,
    check_listeners,
    check_port,
    check_read_preference,
    check_switch,
    check_text,
    check_tracing,
    refuse_encryption,
)

__all__ = [
    "DOCUMENTED_NAMES",
    "GROUPS",
    "OPTIONS",
    "SECRETS",
    "Check",
    "Option",
    "Secrecy",
    "documented_name",
]

Check: TypeAlias = Callable[[str, Any], Any]


class Secrecy(Enum):
    """What nobody may read in a message, a log or the client's `repr`."""

    NONE = auto()
    SOME_PROPERTIES = auto()
    """A mapping with some values that are secret."""
    REDACTED = auto()
    """That it is given may be seen, its value not."""
    LEFT_OUT = auto()
    """Not even that it is given."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a client."""

    name: str
    """As it is documented; URIs and keywords may write it in any case."""
    takes: str
    """What counts as a value, for the documentation."""
    meaning: str
    _: KW_ONLY
    field: str | None = None
    """The field of `ClientOptions` that is the checked value, where there is one."""
    codec_option: str | None = None
    """The same for a field of its `CodecOptions`."""
    default: str | None = None
    """What holds without the option, for the documentation; None: the default of `field`."""
    check: Check | None = None
    """None: PyMongo's."""
    is_for_uris: bool = True
    alias: str | None = None
    """Another name, as a keyword only."""
    secrecy: Secrecy = Secrecy.NONE
    is_kept_in_seconds: bool = False
    """Whether milliseconds are given."""
    is_absent_if_none: bool = False
    """Whether None, as a keyword, leaves the option to the URI."""
    is_given_once: bool = False
    """Whether a URI that repeats it is refused."""

    @property
    def key(self) -> str:
        """The lower-case name, which checked options are found by."""
        return self.name.lower()

    @property
    def is_secret(self) -> bool:
        """Whether messages must not show its value."""
        return self.secrecy is not Secrecy.NONE


_TEXT = "text"
_SWITCH = "true or false"
_COUNT = "a number"
_MS = "milliseconds"
_FILE = "a file"

# fmt: off
_HOSTS = (
    Option("replicaSet", _TEXT, default="any",
           meaning="name of the replica set to connect to"),
    Option("directConnection", _SWITCH, field="direct_connection", default="false",
           meaning="whether to use the one given host alone, whatever set it belongs to"),
    Option("loadBalanced", _SWITCH, field="load_balanced",
           meaning="whether the host is a load balancer in front of the deployment"),
    Option("connect", _SWITCH, field="connect", default="true; false in a FaaS environment",
           is_absent_if_none=True,
           meaning="whether to connect when the client is made, not at the first operation"),
    Option("srvServiceName", _TEXT, default="mongodb",
           meaning="service name of the SRV records that a `mongodb+srv://` URI stands for"),
    Option("srvMaxHosts", _COUNT, default="0",
           meaning="how many of the hosts of the SRV records to use, chosen at random; 0: all"),
    Option("srvAllowedHostsSuffix", _TEXT, default="the domain of the URI's host",
           meaning="domain that the hosts of the SRV records must belong to"),
    Option("srv_host_validator", "a function", default="none", check=check_callable,
           is_for_uris=False,
           meaning="called with each host of the SRV records; returns whether it may be used"),
)
_SELECTION = (
    Option("serverSelectionTimeoutMS", _MS, field="server_selection_timeout",
           is_kept_in_seconds=True,
           meaning="how long an operation waits for a suitable server"),
    Option("localThresholdMS", _MS, default="15",
           meaning="how much slower than the nearest server a server may be and still be chosen"),
    Option("server_selector", "a function", field="server_selector", check=check_callable,
           is_for_uris=False,
           meaning="called with the suitable servers; returns those that may be chosen"),
    Option("heartbeatFrequencyMS", "milliseconds, at least 500", default="10000",
           is_kept_in_seconds=True,
           meaning="time between two checks of a server that is polled"),
    Option("serverMonitoringMode", "`auto`, `stream` or `poll`", field="server_monitoring_mode",
           meaning="whether servers report changes themselves; `auto`: not in a FaaS environment"),
)
_TIME_LIMITS = (
    Option("timeoutMS", _MS, field="timeout", is_kept_in_seconds=True,
           meaning="how long an operation may take in all, with every attempt; 0: no limit"),
    Option("connectTimeoutMS", _MS, field="connect_timeout", is_kept_in_seconds=True,
           meaning="how long opening a connection may take, and the reply to a check; 0: no limit"),
    Option("socketTimeoutMS", _MS, field="socket_timeout", is_kept_in_seconds=True,
           meaning="how long to wait for a reply; 0: no limit"),
)
_POOL = (
    Option("maxPoolSize", _COUNT, default="100",
           meaning="how many connections to each server there may be; 0: no limit"),
    Option("minPoolSize", _COUNT, field="min_pool_size",
           meaning="how many connections to each server are kept open"),
    Option("maxIdleTimeMS", _MS, field="max_idle_time", is_kept_in_seconds=True,
           meaning="how long a connection may be idle before it is replaced"),
    Option("maxConnecting", _COUNT, field="max_connecting",
           meaning="how many connections to one server may be opened at the same time"),
    Option("waitQueueTimeoutMS", _MS, field="wait_queue_timeout", is_kept_in_seconds=True,
           meaning="how long an operation waits in line for a connection"),
    Option("waitQueueMultiple", _COUNT, field="wait_queue_multiple",
           meaning="how many operations may wait for a connection: this many times `maxPoolSize`"),
)
_REQUESTS = (
    Option("auto_start_request", _SWITCH, field="auto_start_request", check=check_switch,
           meaning="whether the first operation of a thread, greenlet or task starts a request"),
    Option("use_greenlets", _SWITCH, field="use_greenlets", check=check_switch,
           meaning="whether requests always belong to greenlets, never to threads"),
)
_AUTHENTICATION = (
    Option("username", _TEXT, default="nobody", check=check_text, is_for_uris=False,
           secrecy=Secrecy.LEFT_OUT,
           meaning="who logs in; a URI has it before the host"),
    Option("password", _TEXT, default="none", check=check_text, is_for_uris=False,
           secrecy=Secrecy.LEFT_OUT,
           meaning="their password; a URI has it before the host"),
    Option("authSource", _TEXT, default="the database of the URI, else `admin`",
           meaning="database that knows the user"),
    Option("authMechanism", _TEXT, default="SCRAM, the best that the server knows",
           meaning="how to log in, for example `SCRAM-SHA-256`, `PLAIN`, `MONGODB-X509`"),
    Option("authMechanismProperties", "`NAME:value,...`; a keyword takes a dict too",
           default="none", secrecy=Secrecy.SOME_PROPERTIES,
           meaning="what the mechanism needs besides"),
)
_TLS = (
    Option("tls", _SWITCH, default="false; true for `mongodb+srv://`",
           meaning="whether connections are encrypted; the files below imply it"),
    Option("ssl", _SWITCH, default="as `tls`",
           meaning="another name for `tls`"),
    Option("tlsCAFile", "a file or directory", default="the system's",
           meaning="trusted authorities"),
    Option("tlsCertificateKeyFile", _FILE, default="none",
           meaning="the client's own certificate and private key"),
    Option("tlsCertificateKeyFilePassword", _TEXT, default="none", secrecy=Secrecy.REDACTED,
           meaning="password of the private key"),
    Option("tlsCRLFile", _FILE, default="none",
           meaning="list of revoked certificates"),
    Option("tlsAllowInvalidCertificates", _SWITCH, default="false",
           meaning="whether to connect to servers whose certificate nobody trusted has signed"),
    Option("tlsAllowInvalidHostnames", _SWITCH, default="false",
           meaning="whether to connect to servers whose certificate names another host"),
    Option("tlsDisableOCSPEndpointCheck", _SWITCH, default="false",
           meaning="accepted; revocation is not looked up by OCSP"),
    Option("tlsInsecure", _SWITCH, default="false",
           meaning="the three above at once"),
)
_PROXY = (
    Option("proxyHost", _TEXT, default="none", check=check_text, is_given_once=True,
           meaning="SOCKS5 proxy that all connections go through"),
    Option("proxyPort", "a port", default="1080", check=check_port, is_given_once=True,
           meaning="port of the proxy"),
    Option("proxyUsername", _TEXT, default="nobody", check=check_text, secrecy=Secrecy.REDACTED,
           is_given_once=True,
           meaning="who logs in to the proxy"),
    Option("proxyPassword", _TEXT, default="none", check=check_text, secrecy=Secrecy.REDACTED,
           is_given_once=True,
           meaning="their password"),
)
_READS_AND_WRITES = (
    Option("readPreference",
           "`primary`, `primaryPreferred`, `secondary`, `secondaryPreferred` or `nearest`",
           default="primary",
           meaning="which members to read from"),
    Option("readPreferenceTags", "`name:value,...`; may be repeated", default="any",
           meaning="tags that a member to read from must have"),
    Option("maxStalenessSeconds", "seconds, at least 90", default="-1",
           meaning="how far behind the primary a member to read from may be; -1: no limit"),
    Option("read_preference", "a read preference", default="none", check=check_read_preference,
           is_for_uris=False,
           meaning="mode, tags and staleness as one object, which wins over the three above"),
    Option("readConcernLevel", _TEXT, default="server's",
           meaning="read concern, for example `majority`"),
    Option("w", "a number, `majority` or a name that the set defines", default="server's",
           meaning="how many members confirm a write; 0: nobody does"),
    Option("wTimeoutMS", _MS, default="no limit",
           meaning="how long the members may take to confirm a write"),
    Option("journal", _SWITCH, default="server's",
           meaning="whether a write is confirmed once journaled"),
    Option("fsync", _SWITCH, default="server's",
           meaning="whether a write is confirmed once synced"),
    Option("retryReads", _SWITCH, field="retry_reads",
           meaning="whether a read that failed for the network is sent again"),
    Option("retryWrites", _SWITCH, field="retry_writes",
           meaning="whether a write that failed for the network is sent again"),
    Option("maxAdaptiveRetries", _COUNT, field="max_adaptive_retries",
           alias="max_adaptive_retries",
           meaning="how often an operation that an overloaded server refuses is sent again"),
    Option("enableOverloadRetargeting", _SWITCH, field="enable_overload_retargeting",
           alias="enable_overload_retargeting",
           meaning="whether it is then sent to another server, if there is one"),
)
_DOCUMENTS = (
    Option("document_class", "a class", codec_option="document_class", default="dict",
           check=accept_anything, is_for_uris=False, is_absent_if_none=True,
           meaning="class of the documents that are read"),
    Option("tz_aware", _SWITCH, codec_option="tz_aware", default="false", is_absent_if_none=True,
           meaning="whether datetimes that are read know their time zone"),
    Option("tzinfo", "a `tzinfo`", codec_option="tzinfo", default="UTC", check=accept_anything,
           is_for_uris=False,
           meaning="time zone of aware datetimes that are read"),
    Option("uuidRepresentation",
           "`standard`, `pythonLegacy`, `javaLegacy`, `csharpLegacy` or `unspecified`",
           codec_option="uuid_representation", default="unspecified",
           meaning="how `UUID` objects are stored"),
    Option("unicode_decode_error_handler", "`strict`, `replace` or `ignore`",
           codec_option="unicode_decode_error_handler", default="strict",
           meaning="what happens to text that is no UTF-8"),
    Option("datetime_conversion", "`datetime`, `datetime_ms`, `datetime_auto` or `datetime_clamp`",
           codec_option="datetime_conversion", default="datetime",
           meaning="what becomes of dates that a `datetime` cannot hold"),
    Option("type_registry", "a `TypeRegistry`", codec_option="type_registry", default="none",
           check=accept_anything, is_for_uris=False, is_absent_if_none=True,
           meaning="how types of your own are encoded and decoded"),
)
_OTHERS = (
    Option("compressors", "`snappy`, `zlib`, `zstd`, with commas between", default="none",
           check=check_compressors,
           meaning="compression to offer to the server, best first"),
    Option("zlibCompressionLevel", "-1 to 9", field="zlib_level",
           meaning="how hard zlib tries; -1: as it likes"),
    Option("appname", _TEXT, field="app_name",
           meaning="name of the application, for the server's log"),
    Option("driver", "a `DriverInfo`", field="driver_info", is_for_uris=False,
           meaning="library that wraps this client, for the server's log"),
    Option("server_api", "a `ServerApi`", field="server_api", is_for_uris=False,
           meaning="version of the Stable API that commands keep to"),
    Option("event_listeners", "a list of listeners", field="listeners",
           check=check_listeners, is_for_uris=False,
           meaning="whom to tell about commands, pools, servers and heartbeats"),
    Option("tracing", "a dict", field="tracing", default="as the environment says",
           check=check_tracing, is_for_uris=False,
           meaning="OpenTelemetry: `enabled`, `query_text_max_length` (characters of a command that"
                   " its span shows, default 0) and `tracer_provider` (default: the global one)"),
    Option("auto_encryption_opts", "`None`", default="none", check=refuse_encryption,
           is_for_uris=False,
           meaning="client-side encryption, which is not supported"),
)
# fmt: on

GROUPS: Mapping[str, tuple[Option, ...]] = {
    "Hosts": _HOSTS,
    "Choosing and checking servers": _SELECTION,
    "Time limits": _TIME_LIMITS,
    "Pool": _POOL,
    "Requests": _REQUESTS,
    "Authentication": _AUTHENTICATION,
    "TLS": _TLS,
    "Proxy": _PROXY,
    "Reads and writes": _READS_AND_WRITES,
    "Documents": _DOCUMENTS,
    "Others": _OTHERS,
}
"""All rows, under the headings of the documentation."""

OPTIONS: Mapping[str, Option] = {
    option.key: option for group in GROUPS.values() for option in group
}
"""All rows, by lower-case names."""

SECRETS = frozenset(name for name, option in OPTIONS.items() if option.is_secret)
"""The lower-case names of options whose values messages must not show."""

DOCUMENTED_NAMES: Mapping[str, str] = {
    name.lower(): name
    for option in OPTIONS.values()
    for name in (option.name, option.alias)
    if name is not None
}
"""Every name, aliases too, as it is documented, by its lower-case form."""


def documented_name(name: str) -> str:
    """Return an option's name as it is documented, whatever case it is given in."""
    return DOCUMENTED_NAMES.get(name.lower(), name)
