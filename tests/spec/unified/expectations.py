"""Checks errors, events and log messages against what a test expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from logging import LogRecord
from typing import Any

from pymongo.errors import (
    BulkWriteError,
    ClientBulkWriteException,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
)

from tests.spec.server_types import known_type
from tests.spec.unified.matching import MISSING, Matcher, as_stored
from tests.spec.unified.observer import Event, Observer, describe
from tests.spec.unified.outcomes import Mismatch, Unsupported
from tests.spec.unified.results import client_bulk_written, partial_bulk_result

__all__ = ["check_error", "check_events", "check_messages", "matches_event"]

Document = Mapping[str, Any]

# ---- errors ---------------------------------------------------------------------------------


def check_error(expected: Document, error: Exception, matcher: Matcher) -> None:
    """Raise Mismatch if an error differs from what a test says of it."""
    cause = _cause(error)
    details: Document = (
        cause if isinstance(cause, Mapping) else getattr(cause, "details", None) or {}
    )
    # Of a client's bulk write, the errors of single writes are there for `writeErrors` alone.
    parts = [details, *(() if isinstance(error, ClientBulkWriteException) else _parts(details))]
    for name, value in expected.items():
        if name == "errorResponse":
            matcher.check(value, as_stored(details), "error's response")
        elif name == "expectResult":
            matcher.check(value, _partial_result(error), "error's result")
        elif name == "writeErrors":
            _check_write_errors(value, error, matcher)
        elif name == "writeConcernErrors":
            found = as_stored(getattr(error, "write_concern_errors", []))
            matcher.check(value, found, "error's write concern errors")
        elif not _is_as_expected(name, value, error, parts):
            raise Mismatch(f"expected an error with {name}={value!r}, found {error!r}") from error


def _cause(error: Exception) -> Any:
    """Return what a client's bulk write failed with as a whole: an error or a reply."""
    if isinstance(error, ClientBulkWriteException) and error.error is not None:
        return error.error
    return error


def _check_write_errors(expected: Document, error: Exception, matcher: Matcher) -> None:
    found = {str(each["idx"]): each for each in getattr(error, "write_errors", None) or ()}
    if found.keys() != expected.keys():
        raise Mismatch(f"expected errors of the writes {list(expected)}, found {list(found)}")
    for index, value in expected.items():
        matcher.check(value, as_stored(found[index]), f"error of write {index}")


def _is_servers(error: Exception) -> bool:
    """Tell whether an error comes from a reply."""
    cause = _cause(error)
    if cause is error and isinstance(error, ClientBulkWriteException):
        return bool(error.write_errors or error.write_concern_errors)
    return isinstance(cause, (Mapping, OperationFailure, NotPrimaryError))


def _is_as_expected(name: str, value: Any, error: Exception, parts: Sequence[Document]) -> bool:
    if name == "isError":
        return True
    if name == "isClientError":
        return _is_servers(error) is not value
    if name == "isTimeoutError":
        return (isinstance(error, PyMongoError) and error.timeout) is value
    if name == "errorContains":
        texts = [str(error), str(_cause(error)), *(str(part.get("errmsg")) for part in parts)]
        return any(value.lower() in text.lower() for text in texts)
    if name == "errorCode":
        return any(part.get("code") == value for part in parts)
    if name == "errorCodeName":
        return any(str(part.get("codeName")).lower() == value.lower() for part in parts)
    labels = {label for label in value if _has_label(error, label)}
    if name == "errorLabelsContain":
        return labels == set(value)
    if name == "errorLabelsOmit":
        return not labels
    raise Unsupported(f"an expected error's {name}")


def _has_label(error: Exception, label: str) -> bool:
    return isinstance(error, PyMongoError) and error.has_error_label(label)


def _parts(details: Document) -> Iterator[Document]:
    """Take the errors out of a reply that reports several."""
    yield from details.get("writeErrors", ())
    yield from details.get("writeConcernErrors", ())
    if "writeConcernError" in details:
        yield details["writeConcernError"]


def _partial_result(error: Exception) -> Any:
    if isinstance(error, ClientBulkWriteException) and error.partial_result is not None:
        return client_bulk_written(error.partial_result)
    return partial_bulk_result(error.details) if isinstance(error, BulkWriteError) else MISSING


# ---- events ---------------------------------------------------------------------------------


def check_events(expected: Document, observer: Observer, matcher: Matcher) -> None:
    """Raise Mismatch if a client's events are not those that a test expects."""
    found = observer.of_category(expected.get("eventType", "command"))
    story = f"among {[describe(event) for event in found]}"
    for number, want in enumerate(expected["events"]):
        if number >= len(found):
            raise Mismatch(f"event {number} is missing: {want} {story}")
        try:
            _check_event(want, found[number], matcher)
        except Mismatch as error:
            raise Mismatch(f"event {number}: {error} {story}") from error
    if len(found) > len(expected["events"]) and not expected.get("ignoreExtraEvents"):
        raise Mismatch(f"only {len(expected['events'])} events are expected {story}")


def matches_event(expected: Document, found: Event, matcher: Matcher) -> bool:
    """Tell whether an event is as expected."""
    try:
        _check_event(expected, found, matcher)
    except Mismatch:
        return False
    return True


def _check_event(expected: Document, found: Event, matcher: Matcher) -> None:
    ((kind, facts),) = expected.items()
    if found["event"] != kind:
        raise Mismatch(f"expected {kind}, found {found['event']}")
    for name, value in facts.items():
        where = f"{kind}.{name}"
        if kind == "serverDescriptionChangedEvent" and "type" in value:
            value = {**value, "type": known_type(value["type"])}
        if name == "hasServiceId":
            matcher.check(value, found.get("serviceId") is not None, where)
        elif name == "hasServerConnectionId":
            matcher.check(value, (found.get("serverConnectionId") or 0) > 0, where)
        else:
            matcher.check(value, found.get(name, MISSING), where)


# ---- log messages ---------------------------------------------------------------------------


def check_messages(
    expected: Document, observer: Observer, records: list[LogRecord], matcher: Matcher
) -> None:
    """Raise Mismatch if a client's log messages are not those that a test expects."""
    ignored = expected.get("ignoreMessages", ())
    heard = [
        message
        for message in observer.messages(records)
        if not any(_is_message(each, message, matcher) for each in ignored)
    ]
    story = f"among {[have['data'].get('message') for have in heard]}"
    for number, want in enumerate(expected["messages"]):
        if number >= len(heard):
            raise Mismatch(f"log message {number} is missing: {want} {story}")
        try:
            _check_message(want, heard[number], matcher)
        except Mismatch as error:
            raise Mismatch(f"log message {number}: {error} {story}") from error
    if len(heard) > len(expected["messages"]) and not expected.get("ignoreExtraMessages"):
        raise Mismatch(f"only {len(expected['messages'])} log messages are expected {story}")


def _is_message(expected: Document, found: dict[str, Any], matcher: Matcher) -> bool:
    try:
        _check_message(expected, found, matcher)
    except Mismatch:
        return False
    return True


def _check_message(expected: Document, found: dict[str, Any], matcher: Matcher) -> None:
    for name in ("level", "component"):
        if name in expected:
            matcher.check(expected[name], found[name], name)
    data = found["data"]
    matcher.check(expected.get("data", {}), data, "data")
    if "failureIsRedacted" in expected:
        is_redacted = "errmsg" not in str(data["failure"])
        matcher.check(expected["failureIsRedacted"], is_redacted, "failureIsRedacted")
