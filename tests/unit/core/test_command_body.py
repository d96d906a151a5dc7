from __future__ import annotations

from collections import OrderedDict
from typing import Any

import bson
import pytest
from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.read_preferences import Nearest, Primary, PrimaryPreferred, Secondary
from pymongo.server_api import ServerApi

from greenmongo._core.command import Command
from greenmongo._core.command_body import (
    complete_body,
    decode_reply,
    decodes_plainly,
    read_preference_field,
)
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sessions.client_session import SessionState
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo._core.types import Document, ReadMode

NOTHING: dict[str, Any] = {
    "session": None,
    "txn_number": None,
    "cluster_time": None,
    "read_preference": None,
    "max_time_ms": None,
    "server_api": None,
}


def complete(body: Document, **parts: Any) -> Document:
    name = next(iter(body))
    command = Command(name, body, "db", takes_max_time=name != "getMore")
    return complete_body(command, **{**NOTHING, **parts})


class Shout(TypeDecoder):
    @property
    def bson_type(self) -> type[str]:
        return str

    def transform_bson(self, value: Any) -> Any:
        return value.upper()


SHOUTING = CodecOptions[dict[str, Any]](type_registry=TypeRegistry([Shout()]))
ORDERED = CodecOptions(document_class=OrderedDict[str, Any])


def test_a_body_gets_its_database_and_is_itself_left_alone() -> None:
    body = {"ping": 1}
    assert complete(body) == {"ping": 1, "$db": "db"}
    assert body == {"ping": 1}


def test_a_command_without_a_session_gossips_the_cluster_time() -> None:
    """D09: an unacknowledged write is one."""
    completed = complete({"insert": "c"}, cluster_time={"clusterTime": 9})
    assert completed == {"insert": "c", "$db": "db", "$clusterTime": {"clusterTime": 9}}


def test_a_body_gets_what_there_is() -> None:
    session = SessionState(ServerSession(Binary(bytes(16), UUID_SUBTYPE), 0.0))
    completed = complete(
        {"insert": "c"},
        session=session,
        txn_number=7,
        cluster_time={"clusterTime": 9},
        read_preference={"mode": "nearest"},
        max_time_ms=500,
    )
    assert completed == {
        "insert": "c",
        "$db": "db",
        "lsid": session.server_session.lsid,
        "txnNumber": 7,
        "$clusterTime": {"clusterTime": 9},
        "$readPreference": {"mode": "nearest"},
        "maxTimeMS": 500,
    }
    assert isinstance(completed["txnNumber"], Int64)
    assert next(iter(completed)) == "insert"


@pytest.mark.parametrize(
    ("own", "expected"),
    [(10, 10), (1000, 500), (0, 500), ("nonsense", 500)],
)
def test_the_shorter_time_limit_counts(own: Any, expected: int) -> None:
    assert complete({"find": "c", "maxTimeMS": own}, max_time_ms=500)["maxTimeMS"] == expected


def test_the_next_batch_has_a_time_limit_only_if_it_waits_for_news() -> None:
    assert "maxTimeMS" not in complete({"getMore": 1}, max_time_ms=500)
    assert complete({"getMore": 1, "maxTimeMS": 1000}, max_time_ms=500)["maxTimeMS"] == 500


@pytest.mark.parametrize(
    ("concern", "expected"), [({"w": 2, "wtimeout": 5}, {"w": 2}), ({"wtimeout": 5}, None)]
)
def test_the_time_that_is_left_comes_before_that_of_the_write_concern(
    concern: Document, expected: Document | None
) -> None:
    command = {"insert": "c", "writeConcern": concern}
    assert complete(command, max_time_ms=500).get("writeConcern") == expected
    assert complete(command)["writeConcern"] == concern


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        (ServerApi("1"), {"apiVersion": "1"}),
        (
            ServerApi("1", strict=True, deprecation_errors=False),
            {"apiVersion": "1", "apiStrict": True, "apiDeprecationErrors": False},
        ),
    ],
)
def test_the_stable_api_is_declared(api: ServerApi, expected: Document) -> None:
    assert complete({"ping": 1}, server_api=api) == {"ping": 1, "$db": "db", **expected}


def test_the_next_batch_declares_the_api_of_its_cursor() -> None:
    assert complete({"getMore": 1}, server_api=ServerApi("1"))["apiVersion"] == "1"


@pytest.mark.parametrize(
    ("preference", "topology", "server", "expected"),
    [
        (None, TopologyKind.SINGLE, ServerKind.RS_PRIMARY, None),
        (Nearest(), TopologyKind.SINGLE, ServerKind.STANDALONE, None),
        (Primary(), TopologyKind.SINGLE, ServerKind.RS_SECONDARY, {"mode": "primaryPreferred"}),
        (Secondary(), TopologyKind.SINGLE, ServerKind.RS_PRIMARY, {"mode": "secondary"}),
        (Primary(), TopologyKind.SINGLE, ServerKind.MONGOS, None),
        (Nearest(), TopologyKind.SINGLE, ServerKind.MONGOS, {"mode": "nearest"}),
        (Primary(), TopologyKind.REPLICA_SET_WITH_PRIMARY, ServerKind.RS_PRIMARY, None),
        (
            PrimaryPreferred(tag_sets=[{"dc": "x"}]),
            TopologyKind.REPLICA_SET_WITH_PRIMARY,
            ServerKind.RS_SECONDARY,
            {"mode": "primaryPreferred", "tags": [{"dc": "x"}]},
        ),
    ],
)
def test_the_read_preference_is_told_where_it_matters(
    preference: ReadMode | None,
    topology: TopologyKind,
    server: ServerKind,
    expected: Document | None,
) -> None:
    assert read_preference_field(preference, topology, server) == expected


def test_a_strict_primary_is_not_told_to_be_lenient() -> None:
    single, secondary = TopologyKind.SINGLE, ServerKind.RS_SECONDARY
    assert read_preference_field(Primary(), single, secondary, strict_primary=True) is None
    told = read_preference_field(Secondary(), single, secondary, strict_primary=True)
    assert told == {"mode": "secondary"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [(DEFAULT_CODEC_OPTIONS, True), (ORDERED, False), (SHOUTING, False)],
)
def test_only_plain_dicts_without_decoders_can_be_decoded_whole(
    options: CodecOptions[Any], expected: bool
) -> None:
    assert decodes_plainly(options) is expected


@pytest.mark.parametrize("batch", ["firstBatch", "nextBatch"])
def test_only_the_documents_of_a_batch_see_the_users_options(batch: str) -> None:
    reply = {"cursor": {"id": 5, "ns": "db.c", batch: [{"a": "x"}]}, "info": "y", "ok": 1.0}
    decoded = decode_reply(bson.encode(reply), SHOUTING)
    assert decoded == {"cursor": {"id": 5, "ns": "db.c", batch: [{"a": "X"}]}, "info": "y", "ok": 1}
    (document,) = decode_reply(bson.encode(reply), ORDERED)["cursor"][batch]
    assert type(document) is OrderedDict


def test_values_of_the_users_see_the_users_options() -> None:
    reply = {"value": {"a": "x"}, "values": ["x"], "lastErrorObject": {"k": "x"}, "list": ["x", {}]}
    assert decode_reply(bson.encode(reply), SHOUTING) == {
        "value": {"a": "X"},
        "values": ["X"],
        "lastErrorObject": {"k": "x"},
        "list": ["x", {}],
    }


def test_raw_documents_stay_raw() -> None:
    reply = {"cursor": {"id": 0, "firstBatch": [{"a": 1}]}, "note": {"deep": {"er": [{"x": 1}]}}}
    decoded = decode_reply(bson.encode(reply), CodecOptions(document_class=RawBSONDocument))
    (document,) = decoded["cursor"]["firstBatch"]
    assert document.raw == bson.encode({"a": 1})
    assert decoded["note"] == {"deep": {"er": [{"x": 1}]}}
    assert type(decoded["note"]) is dict


def test_what_is_not_bson_is_an_error() -> None:
    with pytest.raises(BSONError):
        decode_reply(b"\x05\x00\x00", ORDERED)
