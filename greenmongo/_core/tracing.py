"""What the spans of OpenTelemetry say of operations and commands.

OpenTelemetry, "Instrumenting Driver Operations" and "Instrumenting Server Commands". Nothing here
knows of a tracer: these are names and attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bson import json_util

from greenmongo._core.command import Retryability
from greenmongo._core.log_message import extended_json

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.events import CommandFacts
    from greenmongo._core.types import Address, Document

__all__ = [
    "SYSTEM",
    "OperationFacts",
    "TracingOptions",
    "command_attributes",
    "cursor_id_of",
    "facts_of",
    "failure_attributes",
    "reply_cursor_id",
    "tracing_options",
]

SYSTEM: Mapping[str, Any] = {"db.system.name": "mongodb"}

_ENABLED = "OTEL_PYTHON_INSTRUMENTATION_MONGODB_ENABLED"
_TEXT_LENGTH = "OTEL_PYTHON_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH"

_OPERATION_NAMES = {"create": "createCollection", "drop": "dropCollection"}
"""Of commands that are called otherwise than what they do ("Covered operations")."""

_NOT_IN_TEXT = frozenset({"lsid", "$db", "$clusterTime", "signature"})
"""db.query.text: what is left out of it."""


class TracingProvider(Protocol):
    """OpenTelemetry's TracerProvider, as far as it is needed."""

    def get_tracer(self, name: str, version: str | None = None) -> Any:
        """Return a tracer."""
        ...


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """What a client's `tracing` option and the environment say together."""

    query_text_max_length: int = 0
    """How many characters of a command its span shows; 0: none."""
    tracer_provider: TracingProvider | None = None
    """None: the global one."""
    is_asked_for: bool = False
    """The client's option says so, not the environment alone."""


def tracing_options(
    given: Mapping[str, Any] | None, environ: Mapping[str, str]
) -> TracingOptions | None:
    """Return how a client traces; None if it does not.

    "Enabling and Disabling OpenTelemetry": the client's option wins over the environment.

    Args:
        given: the option as it was checked, None if it was not given.
        environ: the environment variables.
    """
    given = given or {}
    enabled = given.get("enabled")
    if enabled is None:
        enabled = environ.get(_ENABLED, "").strip().lower() in {"1", "true", "yes", "on"}
    if not enabled:
        return None
    length = given.get("query_text_max_length")
    if length is None:
        text = environ.get(_TEXT_LENGTH, "").strip()
        length = int(text) if text.isascii() and text.isdigit() else 0
    return TracingOptions(length, given.get("tracer_provider"), given.get("enabled") is True)


class OperationFacts(NamedTuple):
    """What the span of an operation says."""

    name: str
    db: str
    collection: str | None

    @property
    def summary(self) -> str:
        """The span's name, too ("Operation Span Name")."""
        target = self.db if self.collection is None else f"{self.db}.{self.collection}"
        return f"{self.name} {target}"

    def attributes(self) -> dict[str, Any]:
        """Return the attributes that are known when the operation starts."""
        found = {
            **SYSTEM,
            "db.namespace": self.db,
            "db.operation.name": self.name,
            "db.operation.summary": self.summary,
        }
        if self.collection is not None:
            found["db.collection.name"] = self.collection
        return found


def facts_of(command: Command) -> OperationFacts:
    """Return what the span of an operation says whose first command this is."""
    name, body = command.name, command.body
    if name == "renameCollection" and isinstance(body[name], str):
        # Of the collection's own database, although the command is the administrator's.
        db, _, collection = body[name].partition(".")
        return OperationFacts(name, db, collection)
    collection_name = _collection_of(name, command.db, body)
    if command.retry is Retryability.UNKNOWN:
        # The caller's own. Of those that open no cursor the collection is not known for certain.
        shown = collection_name if command.opens_cursor else None
        return OperationFacts("runCommand", command.db, shown)
    return OperationFacts(_operation_name(command), command.db, collection_name)


def _operation_name(command: Command) -> str:
    if command.operation_name is not None:
        return command.operation_name
    name, body = command.name, command.body
    if name == "create" and "viewOn" in body:
        return "createView"
    if name == "aggregate":
        pipeline = body.get("pipeline")
        first = pipeline[0] if isinstance(pipeline, list) and pipeline else None
        return "watch" if isinstance(first, dict) and "$changeStream" in first else name
    return _OPERATION_NAMES.get(name, name)


def _collection_of(name: str, db: str, body: Mapping[str, Any]) -> str | None:
    """Return the collection that a command is about ("db.collection.name")."""
    if db == "admin":
        return None
    value = body.get("collection") if name == "getMore" else body.get(name)
    return value if isinstance(value, str) else None


def command_attributes(
    facts: CommandFacts, body: Mapping[str, Any], text_length: int
) -> dict[str, Any]:
    """Return the attributes of a command that is about to be sent.

    Args:
        facts: what is known of it.
        body: the whole command as a document.
        text_length: how many characters of it are shown; 0: nothing.
    """
    collection = _collection_of(facts.name, facts.db, body)
    target = facts.db if collection is None else f"{facts.db}.{collection}"
    found = {
        **SYSTEM,
        "db.namespace": facts.db,
        "db.command.name": facts.name,
        "db.query.summary": f"{facts.name} {target}",
        "db.mongodb.driver_connection_id": facts.driver_connection_id,
        **_address_attributes(facts.address),
    }
    if collection is not None:
        found["db.collection.name"] = collection
    if facts.server_connection_id is not None:
        found["db.mongodb.server_connection_id"] = facts.server_connection_id
    if facts.name == "getMore" and isinstance(body.get("getMore"), int):
        found["db.mongodb.cursor_id"] = int(body["getMore"])
    if "lsid" in body and "txnNumber" in body:
        found["db.mongodb.txn_number"] = int(body["txnNumber"])
    if "lsid" in body:
        found["db.mongodb.lsid"] = json_util.dumps(body["lsid"])
    if text_length:
        shown = {key: value for key, value in body.items() if key not in _NOT_IN_TEXT}
        found["db.query.text"] = extended_json(shown, text_length)
    return found


def _address_attributes(address: Address) -> dict[str, Any]:
    host, port = address
    if port is None:
        return {"server.address": host, "network.transport": "unix"}
    return {"server.address": host, "server.port": port, "network.transport": "tcp"}


def failure_attributes(failure: Document) -> dict[str, Any]:
    """Return the attributes of a command that failed.

    Args:
        failure: the server's refusal, or what stands for a reply that never came.
    """
    kind = str(failure.get("errtype") or "OperationFailure")
    message = str(failure.get("errmsg") or "")
    found = {
        "exception.type": kind,
        "exception.message": message,
        # The error is made of the reply, and raised later, if at all.
        "exception.stacktrace": f"{kind}: {message}",
        "error.type": kind,
    }
    code = failure.get("code")
    if isinstance(code, int):
        found["db.response.status_code"] = found["error.type"] = str(code)
    return found


def cursor_id_of(command: Command, reply: Mapping[str, Any]) -> int | None:
    """Return the cursor that an operation read on, or left open; None if there is none."""
    sent = command.body.get("getMore") if command.name == "getMore" else None
    return int(sent) if isinstance(sent, int) else reply_cursor_id(reply)


def reply_cursor_id(reply: Mapping[str, Any]) -> int | None:
    """Return the cursor that a reply leaves open; None if it leaves none."""
    cursor = reply.get("cursor")
    found = cursor.get("id") if isinstance(cursor, Mapping) else None
    return int(found) if isinstance(found, int) and found else None
