from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion, TypeRegistry
from pymongo.client_options import ClientOptions as TheirOptions
from pymongo.driver_info import DriverInfo
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.monitoring import CommandListener
from pymongo.pool_options import PoolOptions
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Nearest, Primary, ReadPreference, Secondary
from pymongo.server_api import ServerApi
from pymongo.uri_parser import validate_options
from pymongo.write_concern import WriteConcern

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.connection_string import read_uri
from greenmongo._core.options.srv import SrvOptions
from greenmongo._core.options.tls import TlsOptions

build: Callable[..., ClientOptions] = ClientOptions.build
URI = "mongodb://localhost/?"
SRV_URI = "mongodb+srv://cluster.example.com"
HOSTS = [("h1.example.com", 27017), ("h2.example.com", 27018)]


class Listener(CommandListener):
    pass


# --- defaults -----------------------------------------------------------------------------------


def test_nothing_said_means_pymongos_defaults() -> None:
    options = build()
    assert options == ClientOptions()
    assert options.seeds == (("localhost", 27017),)
    assert options.server_selection_timeout == 30.0
    assert options.connect_timeout == 20.0
    assert options.heartbeat_interval == 10.0
    assert options.local_threshold == 0.015
    assert (options.max_pool_size, options.min_pool_size, options.max_connecting) == (100, 0, 2)
    assert options.socket_timeout is options.timeout is options.wait_queue_timeout is None
    assert options.max_idle_time is None
    assert options.retry_reads
    assert options.retry_writes
    assert options.read_preference == Primary()
    assert options.write_concern == WriteConcern()
    assert options.read_concern == ReadConcern()
    assert options.codec_options == CodecOptions()
    assert options.codec_options.uuid_representation == UuidRepresentation.UNSPECIFIED
    assert options.tls is None
    assert options.credentials is None
    assert options.srv is None
    assert options.connect is None
    assert options.direct_connection is None
    assert not options.load_balanced
    assert not options.auto_start_request
    assert not options.use_greenlets


# --- hosts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "seeds"),
    [
        (None, 5, [("localhost", 5)]),
        ("A.example", None, [("a.example", 27017)]),
        ("a:1,b", 9, [("a", 1), ("b", 9)]),
        (["a", "b:2", "a"], None, [("a", 27017), ("b", 2)]),
        (("a",), None, [("a", 27017)]),
        ("[::1]:7", None, [("::1", 7)]),
        ("x.sock", None, [("x.sock", None)]),
        ("mongodb://%2Ftmp%2Fx.sock", None, [("/tmp/x.sock", None)]),
        ("mongodb://a,b:2/", 9, [("a", 9), ("b", 2)]),
        (["mongodb://a", "b"], None, [("a", 27017), ("b", 27017)]),
    ],
)
def test_hosts_are_taken_apart(host: Any, port: int | None, seeds: list[Any]) -> None:
    assert list(build(host, port).seeds) == seeds


@pytest.mark.parametrize(
    ("host", "port", "error", "message"),
    [
        ([], None, ConfigurationError, "at least one host"),
        ("", None, ConfigurationError, "Empty host"),
        (["mongodb://a", "mongodb://b"], None, ConfigurationError, "multiple MongoDB URIs"),
        ("http://a/", None, InvalidURI, "scheme"),
        ("a:b", None, ValueError, "Port"),
        ("a", "1", TypeError, "'1'"),
        (5, None, TypeError, "5"),
        (b"a", None, TypeError, "b'a'"),
        ([5], None, TypeError, "5"),
    ],
)
def test_what_is_no_host_is_refused(
    host: Any, port: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build(host, port)


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("appname", "shop", "app_name", "shop"),
        ("compressors", "zlib", "compressors", ("zlib",)),
        ("connect", False, "connect", False),
        ("connectTimeoutMS", 0, "connect_timeout", None),
        ("connectTimeoutMS", 1500, "connect_timeout", 1.5),
        ("directConnection", True, "direct_connection", True),
        ("enableOverloadRetargeting", True, "enable_overload_retargeting", True),
        ("heartbeatFrequencyMS", 500, "heartbeat_interval", 0.5),
        ("loadBalanced", True, "load_balanced", True),
        ("localThresholdMS", 20, "local_threshold", 0.02),
        ("maxAdaptiveRetries", 5, "max_adaptive_retries", 5),
        ("maxConnecting", 4, "max_connecting", 4),
        ("maxIdleTimeMS", 250, "max_idle_time", 0.25),
        ("maxPoolSize", 0, "max_pool_size", None),
        ("maxPoolSize", 7, "max_pool_size", 7),
        ("minPoolSize", 7, "min_pool_size", 7),
        ("readConcernLevel", "majority", "read_concern", ReadConcern("majority")),
        ("readPreference", "nearest", "read_preference", Nearest()),
        ("replicaSet", "rs0", "replica_set", "rs0"),
        ("retryReads", False, "retry_reads", False),
        ("retryWrites", False, "retry_writes", False),
        ("serverMonitoringMode", "poll", "server_monitoring_mode", "poll"),
        ("serverSelectionTimeoutMS", 0, "server_selection_timeout", 0),
        ("socketTimeoutMS", 200, "socket_timeout", 0.2),
        ("timeoutMS", 0, "timeout", 0.0),
        ("timeoutMS", 200, "timeout", 0.2),
        ("w", 2, "write_concern", WriteConcern(2)),
        ("w", "majority", "write_concern", WriteConcern("majority")),
        ("waitQueueMultiple", 3, "wait_queue_multiple", 3),
        ("waitQueueTimeoutMS", 100, "wait_queue_timeout", 0.1),
        ("zlibCompressionLevel", 9, "zlib_level", 9),
        ("auto_start_request", True, "auto_start_request", True),
        ("use_greenlets", True, "use_greenlets", True),
        ("tz_aware", True, "codec_options", CodecOptions(tz_aware=True)),
        (
            "uuidRepresentation",
            "standard",
            "codec_options",
            CodecOptions(uuid_representation=UuidRepresentation.STANDARD),
        ),
    ],
)
def test_a_keyword_and_its_uri_option_mean_the_same(
    name: str, value: Any, field: str, expected: Any
) -> None:
    text = str(value).lower() if isinstance(value, bool) else value
    for options in (
        build(**{name: value}),
        build(f"{URI}{name}={text}"),
        build(f"{URI}{name.upper()}={text}"),
        build(**{name.upper(): value}),
    ):
        assert getattr(options, field) == expected


LISTENER = Listener()
SERVER_API = ServerApi("1")
KEYWORD_ONLY: list[tuple[str, Any, Callable[[ClientOptions], Any], Any]] = [
    ("document_class", dict, lambda it: it.codec_options.document_class, dict),
    ("event_listeners", [LISTENER], lambda it: it.event_listeners, (LISTENER,)),
    ("max_adaptive_retries", 4, lambda it: it.max_adaptive_retries, 4),
    ("read_preference", Secondary(), lambda it: it.read_preference, Secondary()),
    ("server_api", SERVER_API, lambda it: it.server_api, SERVER_API),
    ("server_selector", len, lambda it: it.server_selector, len),
    ("type_registry", TypeRegistry(), lambda it: it.codec_options.type_registry, TypeRegistry()),
    ("driver", None, lambda it: it.driver_info, None),
    ("auto_encryption_opts", None, lambda it: it, ClientOptions()),
    (
        "datetime_conversion",
        "DATETIME_MS",
        lambda it: it.codec_options.datetime_conversion,
        DatetimeConversion.DATETIME_MS,
    ),
]


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"), KEYWORD_ONLY, ids=[it[0] for it in KEYWORD_ONLY]
)
def test_some_options_are_keywords(
    name: str, value: Any, read: Callable[[ClientOptions], Any], expected: Any
) -> None:
    assert read(build(**{name: value})) == expected


def test_a_time_zone_needs_aware_datetimes() -> None:
    assert build(tz_aware=True, tzinfo=timezone.utc).codec_options.tzinfo is timezone.utc
    with pytest.raises(ValueError, match="tz_aware"):
        build(tzinfo=timezone.utc)


def test_keywords_win_over_the_uri() -> None:
    options = build("mongodb://u:p@h/?w=1&maxPoolSize=5", W=3, maxPoolSize=6, username="v")
    assert options.write_concern == WriteConcern(3)
    assert options.max_pool_size == 6
    assert options.credentials is not None
    assert (options.credentials.username, options.credentials.password) == ("v", "p")


@pytest.mark.parametrize("name", ["tz_aware", "connect", "document_class", "type_registry"])
def test_none_leaves_it_to_the_uri(name: str) -> None:
    options = build(f"{URI}tz_aware=true&connect=false", **{name: None})
    assert options.codec_options.tz_aware
    assert options.connect is False


def test_none_is_the_default_heartbeat() -> None:
    assert build(heartbeatFrequencyMS=None).heartbeat_interval == 10.0


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"maxPoolSize": "many"}, ValueError),
        ({"maxPoolSize": 1.5}, TypeError),
        ({"maxConnecting": 0}, ValueError),
        ({"minPoolSize": 200}, ValueError),
        ({"heartbeatFrequencyMS": 10}, ConfigurationError),
        ({"serverSelectionTimeoutMS": None}, ConfigurationError),
        ({"appname": "x" * 129}, ValueError),
        ({"document_class": list}, TypeError),
        ({"event_listeners": 3}, TypeError),
        ({"event_listeners": [3]}, TypeError),
        ({"read_preference": "nearest"}, TypeError),
        ({"readPreference": "closest"}, ValueError),
        ({"server_selector": 3}, TypeError),
        ({"username": 3}, TypeError),
        ({"auto_encryption_opts": 3}, ConfigurationError),
        ({"tlsCAFile": "/does/not/exist"}, FileNotFoundError),
        ({"w": 0, "journal": True}, ConfigurationError),
    ],
    ids=str,
)
def test_a_wrong_keyword_raises_and_names_itself(
    keywords: dict[str, Any], error: type[Exception]
) -> None:
    name = "/does/not/exist" if error is FileNotFoundError else next(iter(keywords))
    if name == "readPreference":
        name = "closest"
    with pytest.raises(error, match=name):
        build(**keywords)


def test_a_secret_that_is_no_good_is_not_shown() -> None:
    with pytest.raises(ValueError, match="auth mechanism properties") as caught:
        build(authMechanismProperties="hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["auto_start_request", "use_greenlets"])
@pytest.mark.parametrize("value", [None, 5, "hi!", 1, "True"])
def test_our_switches_name_themselves_and_the_wrong_value(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} must be .*not {value!r}"):
        build(**{name: value})
    if isinstance(value, str):
        with pytest.raises(ConfigurationError, match=rf"{name} must be .*not {value!r}"):
            build(f"{URI}{name}={value}")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("maxPolSize", "maxPoolSize"),
        ("max_pool_size", "maxPoolSize"),
        ("use_greenlet", "use_greenlets"),
        ("replicaset_", "replicaSet"),
    ],
)
def test_an_unknown_keyword_is_named_with_a_guess(given: str, meant: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"Unknown option: {given}\. Did you mean {meant}"
    ):
        build(**{given: 1})


def test_there_is_not_always_a_guess() -> None:
    with pytest.raises(ConfigurationError, match=r"^Unknown option: qqq\.$"):
        build(qqq=1)


# --- URIs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("nope=1", "Unknown option: nope"),
        ("document_class=dict", "Unknown option: document_class"),
        ("max_adaptive_retries=1", "Unknown option: max_adaptive_retries"),
        ("maxPoolSize=many", "maxPoolSize|maxpoolsize"),
        ("replicaSet=a&replicaSet=b", "Duplicate"),
        ("compressors=lzma", "Unsupported compressor in compressors: lzma"),
    ],
)
def test_a_wrong_uri_option_only_warns(option: str, complaint: str) -> None:
    with pytest.warns(UserWarning, match=complaint):
        build(URI + option)


@pytest.mark.skipif(
    "from_uri" not in inspect.signature(validate_options).parameters,
    reason="this PyMongo shows what it finds wrong",
)
@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:pa?h4sh=1@h",
        "mongodb://u:pa?h4sh@h/",
        "mongodb://u:p:h4sh@h",
        "mongodb://h:h4sh/",
        "mongodb://h/?authSource=h4sh&authMechanism=MONGODB-X509",
        *(
            f"{URI}proxyPassword=pass&{option}=h4sh"
            for option in (
                "auto_start_request",
                "compressors",
                "datetime_conversion",
                "maxPoolSize",
                "h4sh",
                "proxyHost=h&proxyPort",
                "readPreferenceTags",
                "serverMonitoringMode",
                "tlsCAFile",
                "use_greenlets",
                "uuidRepresentation",
                "zlibCompressionLevel",
            )
        ),
    ],
)
def test_what_may_be_a_piece_of_a_password_is_not_shown(uri: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            build(uri)
        except (PyMongoError, ValueError, KeyError, OSError) as error:
            messages = traceback.format_exception(error)
        else:
            messages = []
    messages += [str(each.message) for each in caught]
    assert messages
    assert "h4sh" not in "".join(messages)


def test_a_compressor_without_its_library_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "greenmongo._core.options.checks"
    monkeypatch.setattr(f"{module}.is_available", lambda name: name == "zlib")
    with pytest.warns(UserWarning, match="snappy is not available"):
        assert build(compressors=["snappy", "zlib"]).compressors == ("zlib",)


@pytest.mark.parametrize(
    "uri", [URI + "authSource=", URI + "w", URI + "w=1;journal=true&x=y", "mongodb://u:p:q@h"]
)
def test_a_malformed_uri_is_refused(uri: str) -> None:
    with pytest.raises(InvalidURI):
        build(uri)


def test_semicolons_separate_as_well() -> None:
    options = build(f"{URI}use_greenlets=true;w=2")
    assert options.use_greenlets
    assert options.write_concern == WriteConcern(2)


def test_secrets_do_not_show() -> None:
    options = build("mongodb://u:hidden@h", tls=True, tlsCertificateKeyFilePassword="hidden")
    assert "hidden" not in repr(options)
    assert "hidden" not in repr(
        read_uri("mongodb://u:hidden@h/?authMechanismProperties=AWS_SESSION_TOKEN:hidden")
    )


# --- deployments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "keywords"),
    [
        ("a,b", {"directConnection": True}),
        ("a,b", {"loadBalanced": True}),
        ("a", {"loadBalanced": True, "directConnection": True}),
        ("a", {"loadBalanced": True, "replicaSet": "rs"}),
        ("mongodb://a/?srvServiceName=x", {}),
        ("mongodb://a/?srvMaxHosts=2", {}),
        ("mongodb://a/?srvAllowedHostsSuffix=x", {}),
        ("a", {"srv_host_validator": len}),
    ],
)
def test_what_cannot_be_combined_is_refused(host: str, keywords: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        build(host, **keywords)


@pytest.mark.parametrize(
    ("host", "keywords"),
    [
        ("a,b", {"directConnection": False}),
        ("a", {"directConnection": True, "replicaSet": "rs"}),
        ("a", {"loadBalanced": True, "directConnection": False}),
        ("a", {"srvServiceName": "x", "srvMaxHosts": 2}),
        ("mongodb://a/?srvMaxHosts=0", {}),
    ],
)
def test_what_can_be_combined_is_accepted(host: str, keywords: dict[str, Any]) -> None:
    build(host, **keywords)


@pytest.mark.parametrize(
    ("uri", "keywords", "error", "message"),
    [
        ("mongodb+srv://10.0.0.1/", {}, ConfigurationError, "IP address"),
        (["mongodb+srv://x.example.com/", "a"], {}, ConfigurationError, "more than"),
        ("mongodb+srv://x.example.com/?srvAllowedHostsSuffix=com", {}, ConfigurationError, "two"),
        ("mongodb+srv://x,y/", {}, InvalidURI, "only one"),
        ("mongodb+srv://x:5/", {}, InvalidURI, "port"),
        ("mongodb+srv://x/?directConnection=true", {}, ConfigurationError, "directConnection"),
        ("mongodb+srv://x/?srvMaxHosts=2&replicaSet=r", {}, InvalidURI, "replicaSet"),
        ("mongodb+srv://x/?srvMaxHosts=2&loadBalanced=true", {}, InvalidURI, "loadBalanced"),
        (
            "mongodb+srv://x/?srvAllowedHostsSuffix=y",
            {"srv_host_validator": len},
            ConfigurationError,
            "both",
        ),
    ],
)
def test_srv_uris_are_checked_before_they_are_looked_up(
    uri: str | list[str], keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build(uri, **keywords)


def test_an_srv_uri_names_no_host_yet() -> None:
    target = read_uri("mongodb+srv://u:p@X.example.com/db?w=2")
    assert (target.seeds, target.fqdn) == ((), "x.example.com")
    assert (target.username, target.password, target.database) == ("u", "p", "db")
    assert dict(target.options) == {"w": 2}


# --- mongodb+srv --------------------------------------------------------------------------------


def test_an_srv_uri_waits_for_its_hosts() -> None:
    options = build(SRV_URI)
    assert options.srv == SrvOptions("cluster.example.com")
    assert options.seeds == ()
    assert options.with_hosts(HOSTS, {}).seeds == tuple(HOSTS)


def test_an_srv_uri_encrypts_unless_told_otherwise() -> None:
    assert build(SRV_URI).tls is not None
    assert build(f"{SRV_URI}/?ssl=false").tls is None
    assert build(SRV_URI, tls=False).tls is None


def test_the_options_of_an_srv_uri_are_kept() -> None:
    options = build(f"{SRV_URI}/?srvServiceName=x&srvMaxHosts=3&srvAllowedHostsSuffix=Example.org")
    assert options.srv == SrvOptions("cluster.example.com", "x", 3, ".example.org")
    assert options.with_hosts(HOSTS, {}).srv == options.srv


def test_what_the_txt_record_says_is_taken() -> None:
    options = build("mongodb+srv://u:p@cluster.example.com/db", w=2)
    assert options.credentials is not None
    assert options.credentials.source == "db"
    found = options.with_hosts(HOSTS, {"replicaset": "rs", "authsource": "there"})
    assert found.credentials is not None
    assert (found.credentials.source, found.credentials.username) == ("there", "u")
    assert (found.replica_set, found.write_concern.document) == ("rs", {"w": 2})
    assert found.srv is not None
    assert found.srv.given == frozenset()


def test_what_was_said_goes_before_the_txt_record() -> None:
    options = build(
        "mongodb+srv://u:p@cluster.example.com/?replicaSet=mine&loadBalanced=false",
        authSource="here",
    )
    txt_options = {"replicaset": "rs", "authsource": "there", "loadbalanced": True}
    found = options.with_hosts(HOSTS, txt_options)
    assert found.credentials is not None
    assert found.credentials.source == "here"
    assert (found.replica_set, found.load_balanced) == ("mine", False)


def test_a_mechanism_outside_of_all_databases_stays_there() -> None:
    options = build(f"{SRV_URI}/?authMechanism=MONGODB-X509")
    assert options.with_hosts(HOSTS, {"authsource": "$external"}).credentials == options.credentials
    with pytest.raises(ValueError, match="external"):
        options.with_hosts(HOSTS, {"authsource": "admin"})


def test_without_a_user_the_source_is_of_no_interest() -> None:
    assert build(SRV_URI).with_hosts(HOSTS, {"authsource": "x"}).credentials is None


@pytest.mark.parametrize(
    ("query", "txt_options", "count"),
    [
        ("loadBalanced=true", {}, 2),
        ("", {"loadbalanced": True}, 2),
        ("replicaSet=rs", {"loadbalanced": True}, 1),
        ("loadBalanced=true", {"replicaset": "rs"}, 1),
        ("srvMaxHosts=1", {"replicaset": "rs"}, 1),
        ("srvMaxHosts=1", {"loadbalanced": True}, 1),
    ],
)
def test_records_and_options_must_fit(query: str, txt_options: dict[str, Any], count: int) -> None:
    options = build(f"{SRV_URI}/?{query}")
    with pytest.raises(ConfigurationError):
        options.with_hosts(HOSTS[:count], txt_options)


def test_other_uris_have_no_hosts_to_look_up() -> None:
    with pytest.raises(ConfigurationError):
        build("a").with_hosts(HOSTS, {})


# --- read preference ----------------------------------------------------------------------------


def test_the_parts_of_a_read_preference_are_put_together() -> None:
    options = build(f"{URI}readPreference=secondary&readPreferenceTags=dc:ny&readPreferenceTags=")
    assert options.read_preference == Secondary([{"dc": "ny"}, {}])
    options = build(readPreference="nearest", maxStalenessSeconds=120)
    assert options.read_preference == Nearest(max_staleness=120)


def test_the_object_wins_over_the_parts() -> None:
    options = build(read_preference=ReadPreference.PRIMARY, readPreference="nearest")
    assert options.read_preference == Primary()


@pytest.mark.parametrize("part", [{"readPreferenceTags": "dc:ny"}, {"maxStalenessSeconds": 120}])
def test_the_primary_has_no_tags_and_no_staleness(part: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="primary cannot be combined"):
        build(**part)


# --- tls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"tls": True}, TlsOptions()),
        ({"ssl": True}, TlsOptions()),
        ({"tls": True, "ssl": True}, TlsOptions()),
        ({"tls": False}, None),
        ({"tlsInsecure": True}, None),
        ({"tlsInsecure": False}, TlsOptions()),
        ({"tlsAllowInvalidHostnames": False}, TlsOptions()),
        ({"tlsCAFile": __file__}, TlsOptions(ca_file=__file__)),
        ({"tlsCRLFile": __file__}, TlsOptions(crl_file=__file__)),
        (
            {"tlsCertificateKeyFile": __file__, "tlsCertificateKeyFilePassword": "pw"},
            TlsOptions(certificate_key_file=__file__, certificate_key_file_password="pw"),
        ),
        (
            {"tls": True, "tlsInsecure": True},
            TlsOptions(
                allow_invalid_certificates=True,
                allow_invalid_hostnames=True,
                disable_ocsp_endpoint_check=True,
            ),
        ),
        (
            {"tls": True, "tlsAllowInvalidCertificates": True},
            TlsOptions(allow_invalid_certificates=True, disable_ocsp_endpoint_check=True),
        ),
        (
            {"tls": True, "tlsDisableOCSPEndpointCheck": True},
            TlsOptions(disable_ocsp_endpoint_check=True),
        ),
    ],
    ids=str,
)
def test_tls_is_on_when_said_or_implied(
    keywords: dict[str, Any], expected: TlsOptions | None
) -> None:
    assert build(**keywords).tls == expected


def test_the_ca_file_may_be_a_directory(tmp_path: Path) -> None:
    for options in (build(tlsCAFile=str(tmp_path)), build(f"{URI}tlsCAFile={tmp_path}")):
        assert options.tls == TlsOptions(ca_file=str(tmp_path))


@pytest.mark.parametrize("name", ["tlsCRLFile", "tlsCertificateKeyFile"])
def test_other_files_may_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(IsADirectoryError):
        build(**{name: str(tmp_path)})
    with pytest.raises(IsADirectoryError):
        build(f"{URI}{name}={tmp_path}")


@pytest.mark.parametrize(
    "keywords",
    [
        {"tls": False, "tlsCAFile": __file__},
        {"tls": True, "ssl": False},
        {"tlsInsecure": True, "tlsAllowInvalidHostnames": True},
        {"tlsAllowInvalidCertificates": True, "tlsDisableOCSPEndpointCheck": True},
        {"tlsCRLFile": __file__, "tlsInsecure": True},
    ],
    ids=str,
)
def test_contradicting_tls_options_are_refused(keywords: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        build(**keywords)


# --- PyMongo's names ----------------------------------------------------------------------------


def test_pymongos_names_for_options_are_there_too() -> None:
    options = build(replicaSet="rs", heartbeatFrequencyMS=2000, maxIdleTimeMS=500)
    assert options.replica_set_name == "rs"
    assert options.heartbeat_frequency == 2.0
    assert options.local_threshold_ms == 15
    assert options.pool_options.max_pool_size == 100
    assert options.pool_options.max_idle_time_seconds == 0.5
    driver = DriverInfo("odm")
    named = build(appname="a", driver=driver, tls=True, tlsAllowInvalidHostnames=True)
    assert named.pool_options.appname == "a"
    assert named.pool_options.driver is driver
    assert named.pool_options.tls_allow_invalid_hostnames
    assert not options.pool_options.tls_allow_invalid_hostnames
    assert options.auto_encryption_opts is None


def test_no_option_that_pymongo_documents_is_missing() -> None:
    theirs = {name for kind in (TheirOptions, PoolOptions) for name in dir(kind)}
    missing = {name for name in theirs if not name.startswith("_")} - set(dir(ClientOptions))
    # What its pools tell of themselves: for its own use.
    assert missing <= {"metadata", "non_default_options", "pause_enabled"}


def test_a_client_without_options_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build("mongodb://u:p@a,b/db?w=majority&readPreference=nearest")
