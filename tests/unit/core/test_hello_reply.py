from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st
from pymongo.errors import OperationFailure, ProtocolError

from greenmongo._core.hello_reply import parse_address, parse_hello
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.transitions import apply_description, initial_topology

A = ("a", 27017)


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
