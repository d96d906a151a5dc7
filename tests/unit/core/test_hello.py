from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st
from pymongo.driver_info import DriverInfo
from pymongo.errors import OperationFailure, ProtocolError
from pymongo.server_api import ServerApi

from greenmongo._core.hello import (
    DriverInfoLike,
    EnvironmentFacts,
    build_handshake,
    build_hello,
    build_metadata,
    detect_faas,
    may_stream,
    parse_address,
    parse_hello,
)
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.transitions import apply_description, initial_topology

A = ("a", 27017)
FACTS = EnvironmentFacts(
    "1.2.3",
    platform="CPython 3.12.1",
    os_type="Linux",
    os_name="Debian",
    os_architecture="x86_64",
    os_version="6.1",
)
FAAS = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "AWS_REGION": "us-east-1"}


# -- metadata --------------------------------------------------------------------------------------


def test_the_metadata_tells_of_application_driver_and_system() -> None:
    assert build_metadata("shop", [], FACTS) == {
        "application": {"name": "shop"},
        "driver": {"name": "greenmongo", "version": "1.2.3"},
        "os": {"type": "Linux", "name": "Debian", "architecture": "x86_64", "version": "6.1"},
        "platform": "CPython 3.12.1",
    }


def test_what_is_not_known_is_left_out_except_for_the_system() -> None:
    assert build_metadata(None, [], EnvironmentFacts("1.2.3")) == {
        "driver": {"name": "greenmongo", "version": "1.2.3"},
        "os": {"type": "unknown"},
    }


def test_wrapping_libraries_append_to_what_is_there() -> None:
    infos = [DriverInfo("odm", "2.0", "fancy"), DriverInfo("app")]
    metadata = build_metadata(None, infos, FACTS)
    assert metadata["driver"] == {"name": "greenmongo|odm|app", "version": "1.2.3|2.0|"}
    assert metadata["platform"] == "CPython 3.12.1|fancy"


def test_a_platform_may_come_from_a_wrapping_library_alone() -> None:
    metadata = build_metadata(None, [DriverInfo("odm", None, "fancy")], EnvironmentFacts("1"))
    assert metadata["platform"] == "fancy"


class Smuggler:
    name, version, platform = "a|b", None, None


def test_wrapping_libraries_cannot_use_the_delimiter() -> None:
    with pytest.raises(ValueError, match="driver info name must not contain"):
        build_metadata(None, [Smuggler()], FACTS)


# -- functions and containers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_java8"}, "aws.lambda"),
        ({"AWS_EXECUTION_ENV": "EC2"}, None),
        ({"AWS_LAMBDA_RUNTIME_API": "x"}, "aws.lambda"),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, "azure.func"),
        ({"FUNCTIONS_WORKER_RUNTIME": ""}, None),
        ({"K_SERVICE": "x"}, "gcp.func"),
        ({"FUNCTION_NAME": "x"}, "gcp.func"),
        ({"VERCEL": "1"}, "vercel"),
        ({"VERCEL": "1", "AWS_LAMBDA_RUNTIME_API": "x"}, "vercel"),
        ({"VERCEL": "1", "K_SERVICE": "x"}, None),
        ({"K_SERVICE": "x", "AWS_LAMBDA_RUNTIME_API": "x"}, None),
    ],
)
def test_a_function_service_is_known_by_its_environment(
    environ: dict[str, str], expected: str | None
) -> None:
    assert detect_faas(environ) == expected


@pytest.mark.parametrize(
    ("mode", "elsewhere", "on_a_function_service"),
    [("auto", True, False), ("stream", True, True), ("poll", False, False)],
)
def test_hellos_stream_unless_told_otherwise_or_on_a_function_service(
    mode: str, elsewhere: bool, on_a_function_service: bool
) -> None:
    assert may_stream(mode, {}) is elsewhere
    assert may_stream(mode, FAAS) is on_a_function_service


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {**FAAS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024"},
            {"name": "aws.lambda", "region": "us-east-1", "memory_mb": 1024},
        ),
        ({"AWS_LAMBDA_RUNTIME_API": "x", "AWS_REGION": ""}, {"name": "aws.lambda"}),
        (
            {**FAAS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "big"},
            {"name": "aws.lambda", "region": "us-east-1"},
        ),
        (
            {**FAAS, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2147483648"},
            {"name": "aws.lambda", "region": "us-east-1"},
        ),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, {"name": "azure.func"}),
        (
            {
                "K_SERVICE": "x",
                "FUNCTION_MEMORY_MB": "512",
                "FUNCTION_TIMEOUT_SEC": "60",
                "FUNCTION_REGION": "us-central1",
            },
            {"name": "gcp.func", "memory_mb": 512, "timeout_sec": 60, "region": "us-central1"},
        ),
        ({"VERCEL": "1", "VERCEL_REGION": "cdg1"}, {"name": "vercel", "region": "cdg1"}),
        ({"KUBERNETES_SERVICE_HOST": "1"}, {"container": {"orchestrator": "kubernetes"}}),
        ({"VERCEL": "1", "K_SERVICE": "x"}, None),
    ],
)
def test_the_environment_is_told_as_far_as_it_is_understood(
    environ: dict[str, str], expected: dict[str, Any] | None
) -> None:
    metadata = build_metadata(None, [], EnvironmentFacts("1", environ=environ))
    assert metadata.get("env") == expected


def test_functions_and_containers_are_told_together() -> None:
    facts = EnvironmentFacts("1", environ={"VERCEL": "1"}, in_docker=True)
    metadata = build_metadata(None, [], facts)
    assert metadata["env"] == {"name": "vercel", "container": {"runtime": "docker"}}


# -- the size limit --------------------------------------------------------------------------------


def long_facts(**lengths: int) -> EnvironmentFacts:
    return EnvironmentFacts(
        "1.2.3",
        platform="p" * lengths.get("platform", 1),
        os_type="Linux",
        os_name="n" * lengths.get("os_name", 1),
        environ={"VERCEL": "1", "VERCEL_REGION": "r" * lengths.get("region", 1)},
    )


def test_first_the_environment_keeps_only_its_name() -> None:
    metadata = build_metadata(None, [], long_facts(region=500))
    assert metadata["env"] == {"name": "vercel"}
    assert metadata["os"]["name"] == "n"


def test_then_the_system_keeps_only_its_type() -> None:
    metadata = build_metadata(None, [], long_facts(os_name=500))
    assert metadata["os"] == {"type": "Linux"}
    assert metadata["env"] == {"name": "vercel"}


def test_then_the_environment_is_left_out() -> None:
    metadata = build_metadata(None, [], long_facts(platform=390))
    assert metadata["platform"] == "p" * 390
    assert "env" not in metadata


def test_then_the_platform_is_cut_to_fit_exactly() -> None:
    metadata = build_metadata(None, [], long_facts(platform=2000))
    assert len(bson.encode(metadata)) == 512
    assert metadata["platform"].startswith("ppp")


def test_a_platform_is_not_cut_within_a_character() -> None:
    metadata = build_metadata("x", [], EnvironmentFacts("1", platform="\N{EURO SIGN}" * 999))
    assert set(metadata["platform"]) == {"\N{EURO SIGN}"}
    assert 510 <= len(bson.encode(metadata)) <= 512


def test_a_container_without_a_name_is_left_out_when_space_is_short() -> None:
    facts = EnvironmentFacts("1", os_name="n" * 500, in_docker=True)
    assert "env" not in build_metadata(None, [], facts)


def test_at_last_the_words_of_wrapping_libraries_are_cut() -> None:
    metadata = build_metadata(None, [DriverInfo("x" * 600, "1")], FACTS)
    assert metadata["driver"]["name"].startswith("greenmongo|xxx")
    assert metadata["driver"]["version"] == "1.2.3|"
    assert len(bson.encode(metadata)) == 512
    assert "platform" not in metadata


def test_the_outermost_library_is_cut_first_and_names_and_versions_still_correspond() -> None:
    libraries = [DriverInfo("odm", "2.0"), DriverInfo("x" * 300, "1"), DriverInfo("y" * 300, "2")]
    driver = build_metadata(None, libraries, FACTS)["driver"]
    names, versions = driver["name"].split("|"), driver["version"].split("|")
    assert names[:2] == ["greenmongo", "odm"]
    assert versions[:2] == ["1.2.3", "2.0"]
    assert len(names) == len(versions) == 4
    assert names[2] == "x" * 300
    assert set(names[3]) == {"y"}


@given(
    st.text(max_size=32),
    st.text(st.characters(exclude_characters="|\0", codec="utf-8"), max_size=700),
    st.text(max_size=700),
    st.text(max_size=700),
)
def test_whatever_is_told_the_server_accepts_it(
    app_name: str, wrapper: str, platform: str, system: str
) -> None:
    infos: list[DriverInfoLike] = [DriverInfo(wrapper, wrapper, wrapper)]
    facts = EnvironmentFacts("1", platform=platform, os_name=system, environ=FAAS)
    assert len(bson.encode(build_metadata(app_name, infos, facts))) <= 512


# -- handshake -------------------------------------------------------------------------------------


def test_the_first_command_uses_the_old_name_that_every_server_knows() -> None:
    command = build_handshake({"driver": {}})
    assert list(command.items()) == [
        ("isMaster", 1),
        ("helloOk", True),
        ("backpressure", "2"),
        ("client", {"driver": {}}),
    ]


def test_behind_a_load_balancer_the_handshake_is_a_hello() -> None:
    command = build_handshake({}, load_balanced=True)
    assert list(command.items()) == [
        ("hello", 1),
        ("helloOk", True),
        ("backpressure", "2"),
        ("client", {}),
        ("loadBalanced", True),
    ]


def test_the_handshake_offers_compressors_and_starts_authentication() -> None:
    command = build_handshake(
        {},
        compressors=("zstd", "zlib"),
        sasl_supported_mechs="admin.me",
        speculative_auth={"saslStart": 1},
    )
    assert command["compression"] == ["zstd", "zlib"]
    assert command["saslSupportedMechs"] == "admin.me"
    assert command["speculativeAuthenticate"] == {"saslStart": 1}


@pytest.mark.parametrize(
    ("api", "fields"),
    [
        (ServerApi("1"), {"apiVersion": "1"}),
        (
            ServerApi("1", strict=True, deprecation_errors=False),
            {"apiVersion": "1", "apiStrict": True, "apiDeprecationErrors": False},
        ),
    ],
)
def test_an_api_version_implies_the_new_name(api: ServerApi, fields: dict[str, Any]) -> None:
    assert build_handshake({}, server_api=api) == {
        "hello": 1,
        "helloOk": True,
        "backpressure": "2",
        "client": {},
        **fields,
    }


@pytest.mark.parametrize(("hello_ok", "name"), [(True, "hello"), (False, "isMaster")])
def test_a_check_uses_the_name_the_server_knows(hello_ok: bool, name: str) -> None:
    assert build_hello(hello_ok=hello_ok) == {name: 1, "helloOk": True}


def test_a_check_may_wait_for_news() -> None:
    version = {"processId": ObjectId(), "counter": 1}
    command = build_hello(hello_ok=True, topology_version=version, max_await_time=10.0)
    assert command["topologyVersion"] is version
    assert command["maxAwaitTimeMS"] == 10_000


def test_a_check_cannot_wait_without_knowing_what_for() -> None:
    assert build_hello(hello_ok=True, max_await_time=10.0) == build_hello(hello_ok=True)


# -- replies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ServerKind.STANDALONE),
        ({"msg": "isdbgrid"}, ServerKind.MONGOS),
        ({"isreplicaset": True}, ServerKind.RS_GHOST),
        ({"setName": "rs", "isWritablePrimary": True}, ServerKind.RS_PRIMARY),
        ({"setName": "rs", "ismaster": True}, ServerKind.RS_PRIMARY),
        ({"setName": "rs", "isWritablePrimary": False, "ismaster": True}, ServerKind.RS_OTHER),
        ({"setName": "rs", "secondary": True}, ServerKind.RS_SECONDARY),
        ({"setName": "rs", "secondary": True, "hidden": True}, ServerKind.RS_OTHER),
        ({"setName": "rs", "arbiterOnly": True}, ServerKind.RS_ARBITER),
        ({"setName": "rs"}, ServerKind.RS_OTHER),
        ({"msg": "isdbgrid", "serviceId": ObjectId()}, ServerKind.LOAD_BALANCER),
    ],
)
def test_a_reply_tells_what_the_server_is(facts: dict[str, Any], expected: ServerKind) -> None:
    assert parse_hello(A, {"ok": 1, **facts}, now=0.0).kind is expected


@pytest.mark.parametrize("reply", [{"ok": 0, "errmsg": "no", "code": 59}, {}])
def test_a_failed_hello_leaves_the_server_unknown(reply: dict[str, Any]) -> None:
    it = parse_hello(A, reply, round_trip_time=0.1, now=5.0)
    assert it.kind is ServerKind.UNKNOWN
    assert it.round_trip_time is None
    assert it.last_update_time == 5.0
    assert isinstance(it.error, OperationFailure)
    assert it.error.code == reply.get("code")


def test_a_reply_is_read_in_full() -> None:
    election, version = ObjectId(), {"processId": ObjectId(), "counter": 3}
    reply = {
        "ok": 1.0,
        "isWritablePrimary": True,
        "setName": "rs",
        "setVersion": 2,
        "electionId": election,
        "me": "A.example:1",
        "primary": "A.example:1",
        "hosts": ["A.example:1", "b:2"],
        "passives": ["c:3"],
        "arbiters": ["[::1]:4"],
        "tags": {"dc": "ny"},
        "lastWrite": {"lastWriteDate": datetime(1970, 1, 2), "opTime": {"t": 1}},
        "minWireVersion": 1,
        "maxWireVersion": 21,
        "logicalSessionTimeoutMinutes": 30,
        "topologyVersion": version,
        "maxBsonObjectSize": 1,
        "maxMessageSizeBytes": 2,
        "maxWriteBatchSize": 3,
        "iscryptd": True,
        "$clusterTime": {"clusterTime": 1},
    }
    it = parse_hello(A, reply, round_trip_time=0.2, min_round_trip_time=0.1, now=7.0)
    assert it == ServerDescription(
        A,
        ServerKind.RS_PRIMARY,
        set_name="rs",
        set_version=2,
        election_id=election,
        me=("a.example", 1),
        primary=("a.example", 1),
        hosts=frozenset({("a.example", 1), ("b", 2)}),
        passives=frozenset({("c", 3)}),
        arbiters=frozenset({("::1", 4)}),
        tags={"dc": "ny"},
        min_wire_version=1,
        max_wire_version=21,
        logical_session_timeout_minutes=30,
        topology_version=version,
        is_cryptd=True,
    )
    assert (it.max_bson_size, it.max_message_size, it.max_write_batch_size) == (1, 2, 3)
    assert (it.round_trip_time, it.min_round_trip_time, it.last_update_time) == (0.2, 0.1, 7.0)
    assert (it.last_write_date, it.op_time) == (86400.0, {"t": 1})
    assert it.cluster_time == {"clusterTime": 1}


def test_a_terse_reply_gets_the_limits_every_server_has() -> None:
    it = parse_hello(A, {"ok": 1}, now=0.0)
    assert it.max_bson_size == 16 * 1024 * 1024
    assert it.last_write_date is None


@pytest.mark.parametrize(
    "date",
    [
        datetime(1970, 1, 2),
        datetime(1970, 1, 2, tzinfo=timezone.utc),
        datetime(1970, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))),
        DatetimeMS(86_400_000),
    ],
)
def test_the_last_write_is_understood_however_it_was_decoded(date: datetime | DatetimeMS) -> None:
    it = parse_hello(A, {"ok": 1, "lastWrite": {"lastWriteDate": date}}, now=0.0)
    assert it.last_write_date == 86400.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example.COM", ("example.com", 27017)),
        ("b:1", ("b", 1)),
        ("[::1]", ("::1", 27017)),
        ("[FE80::1]:5", ("fe80::1", 5)),
        ("fe80::1", ("fe80::1", 27017)),
        ("/tmp/Mongo.sock", ("/tmp/Mongo.sock", None)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, expected: tuple[str, int | None]) -> None:
    assert parse_address(text) == expected


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.lists(st.one_of(st.text(), st.integers(), st.none())),
    st.dictionaries(st.text(), st.integers()),
)  # fmt: skip
FIELDS = (
    "ok", "hosts", "passives", "arbiters", "me", "primary", "setName", "tags", "topologyVersion",
    "lastWrite", "setVersion", "electionId", "minWireVersion", "maxWireVersion", "msg", "hidden",
    "secondary", "ismaster", "isWritablePrimary", "logicalSessionTimeoutMinutes", "serviceId",
    "maxBsonObjectSize", "maxMessageSizeBytes", "maxWriteBatchSize", "errmsg", "code",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), JUNK))
@example({"ok": True, "minWireVersion": None})
def test_a_reply_is_understood_or_refused(reply: dict[str, Any]) -> None:
    try:
        server = parse_hello(("a", 1), reply, now=0.0)
    except ProtocolError:
        return
    # What is understood can be worked with.
    topology = initial_topology([("a", 1)])
    apply_description(apply_description(topology, server).topology, server)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hosts", "a:1"),
        ("hosts", ["a:one"]),
        ("hosts", [1]),
        ("topologyVersion", 7),
        ("topologyVersion", {"counter": "x"}),
        ("maxBsonObjectSize", "large"),
        ("lastWrite", {"lastWriteDate": "yesterday"}),
    ],
)
def test_a_field_that_cannot_be_is_the_servers_fault(field: str, value: Any) -> None:
    with pytest.raises(ProtocolError, match=r"a:1: .*hello reply"):
        parse_hello(("a", 1), {"ok": 1, "ismaster": True, field: value}, now=0.0)
