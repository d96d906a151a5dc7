"""The last touches to a command, and the first look at its reply, with the server known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import TypeRegistry
from bson.raw_bson import RawBSONDocument

from greenmongo._core.read_modes import PRIMARY
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.server_api import add_server_api
from greenmongo._core.sessions.command_fields import add_session_fields

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.server_api import ServerApi

    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import ClusterTime, SessionState
    from greenmongo._core.types import Document, ReadMode

__all__ = [
    "complete_body",
    "decode_reply",
    "decodes_plainly",
    "drop_wtimeout",
    "read_preference_field",
]

_NO_DECODERS = TypeRegistry()
_BATCHES = ("firstBatch", "nextBatch")
_USER_VALUES = ("value", "values")


def complete_body(
    command: Command,
    *,
    session: SessionState | None,
    txn_number: int | None,
    cluster_time: ClusterTime | None,
    read_preference: Document | None,
    max_time_ms: int | None,
    server_api: ServerApi | None,
) -> Document:
    """Return the document that goes on the wire; the command itself is left as it is."""
    body = {**command.body, "$db": command.db}
    if session is not None:
        add_session_fields(body, command, session, txn_number=txn_number, cluster_time=cluster_time)
    elif cluster_time is not None:
        # Driver Sessions, "Gossipping the cluster time": an unacknowledged write has no session,
        # but is a command like any other.
        body["$clusterTime"] = cluster_time
    if read_preference is not None:
        body["$readPreference"] = read_preference
    if max_time_ms is not None:
        _limit_time(body, max_time_ms, takes_max_time=command.takes_max_time)
    if server_api is not None:
        add_server_api(body, server_api)
    return body


def _limit_time(body: Document, max_time_ms: int, *, takes_max_time: bool) -> None:
    """Tell the server what is left of timeoutMS, which comes before the older limits."""
    own = body.get("maxTimeMS")
    if own and isinstance(own, (int, float)):
        body["maxTimeMS"] = min(own, max_time_ms)
    elif takes_max_time:
        body["maxTimeMS"] = max_time_ms
    drop_wtimeout(body)


def drop_wtimeout(body: Document) -> None:
    """Take `wtimeout` out of a command: CSOT, "Deprecations", timeoutMS takes its place."""
    concern = body.get("writeConcern")
    if isinstance(concern, Mapping) and "wtimeout" in concern:
        rest = {name: value for name, value in concern.items() if name != "wtimeout"}
        if rest:
            body["writeConcern"] = rest
        else:
            del body["writeConcern"]


def read_preference_field(
    preference: ReadMode | None,
    topology: TopologyKind,
    server: ServerKind,
    *,
    strict_primary: bool = False,
) -> Document | None:
    """Return `$readPreference` for a command, None if it is to have none.

    Server Selection, "Topology type: Single": a member addressed directly must answer whatever
    its role, so the primary mode becomes primaryPreferred there, unless it is taken strictly.
    """
    if preference is None:
        return None
    if topology is TopologyKind.SINGLE and server is not ServerKind.MONGOS:
        if server is ServerKind.STANDALONE:
            return None
        if preference.mode == PRIMARY:
            return None if strict_primary else {"mode": "primaryPreferred"}
        return preference.document
    return None if preference.mode == PRIMARY else preference.document


def decodes_plainly(options: CodecOptions[Any]) -> bool:
    """Tell whether a whole reply can be decoded with the user's options, envelope and all."""
    return options.document_class is dict and options.type_registry == _NO_DECODERS


def decode_reply(body: bytes, options: CodecOptions[Any]) -> Document:
    """Decode a reply so that only the user's documents in it see the user's options.

    Raises:
        BSONError: the body is not BSON.
    """
    theirs = bson.decode(body, options)
    reply: Document = {}
    for key, value in RawBSONDocument(body).items():
        if key == "cursor" and isinstance(value, RawBSONDocument):
            reply[key] = {
                name: theirs["cursor"][name] if name in _BATCHES else _plain(part)
                for name, part in value.items()
            }
        else:
            reply[key] = theirs[key] if key in _USER_VALUES else _plain(value)
    return reply


def _plain(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return bson.decode(value.raw)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
