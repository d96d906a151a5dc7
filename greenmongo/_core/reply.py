"""Out of reply documents: errors as pymongo.errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymongo.errors import (
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from greenmongo._core.server_codes import (
    CURSOR_NOT_FOUND,
    DUPLICATE_KEY,
    DUPLICATE_KEY_CODES,
    MAX_TIME_MS_EXPIRED,
    NAMESPACE_NOT_FOUND,
    STATE_CHANGE_CODES,
)

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.types import Document

__all__ = [
    "check_reply",
    "check_write",
    "check_write_concern",
    "command_error",
    "is_missing_namespace",
    "write_concern_error",
    "write_concern_failure",
    "write_error",
]


def check_reply(document: Document, max_wire_version: int | None = None) -> None:
    """Raise what a reply says went wrong with the command as a whole."""
    if not document.get("ok"):
        raise command_error(document, max_wire_version)


def command_error(document: Document, max_wire_version: int | None = None) -> PyMongoError:
    """Return the exception for a reply that is not ok."""
    if "ok" not in document:
        # Servers that do not know the message's kind answer so.
        message = document.get("$err")
        return OperationFailure(str(message), document.get("code"), document, max_wire_version)
    message = document.get("errmsg") or ""
    code = document.get("code")
    if code in STATE_CHANGE_CODES:
        return NotPrimaryError(message, document)
    if code is None and ("not master" in message or "node is recovering" in message):
        return NotPrimaryError(message, document)
    kind = OperationFailure
    if code in DUPLICATE_KEY_CODES:
        kind = DuplicateKeyError
    elif code == MAX_TIME_MS_EXPIRED:
        kind = ExecutionTimeout
    elif code == CURSOR_NOT_FOUND:
        kind = CursorNotFound
    return kind(message, code, document, max_wire_version)


def is_missing_namespace(document: Document) -> bool:
    """Tell whether a reply says that there is no such collection."""
    return document.get("code") == NAMESPACE_NOT_FOUND


class Unanswered(dict[str, Any]):
    """What stands for the reply to a write whose caller cannot wait for it."""


def is_acknowledged(reply: Document, concern: WriteConcern) -> bool:
    """Tell whether it is a server that says what a write with this concern has done."""
    return concern.acknowledged and not isinstance(reply, Unanswered)


def check_write(document: Document) -> None:
    """Raise what a reply says went wrong with a write's statements, then with its concern."""
    errors = document.get("writeErrors")
    if errors:
        raise write_error(errors[-1])
    if "writeConcernError" in document:
        check_write_concern(document)


def check_write_concern(document: Document) -> None:
    """Raise a write concern's failure; the write itself has happened."""
    failure = write_concern_failure(document)
    if failure is not None:
        raise failure


def write_concern_failure(document: Document) -> WriteConcernError | None:
    """Return the exception for a write concern's failure, None if it was met."""
    error = write_concern_error(document)
    if error is None:
        return None
    kind = WTimeoutError if is_timeout(error) else WriteConcernError
    return kind(error.get("errmsg") or "", error.get("code"), error)


def write_error(error: Mapping[str, Any]) -> WriteError:
    """Return the exception for one statement's failure."""
    message, code = error.get("errmsg") or "", error.get("code")
    # Only this code: PyMongo leaves the older two to be plain write errors here.
    kind = DuplicateKeyError if code == DUPLICATE_KEY else WriteError
    return kind(message, code, error)


def write_concern_error(document: Document) -> Document | None:
    """Return a reply's write concern failure, if any, with the reply's labels added."""
    error: Document | None = document.get("writeConcernError")
    labels = document.get("errorLabels")
    if error and labels:
        return {**error, "errorLabels": labels}
    return error or None


def is_timeout(error: Mapping[str, Any]) -> bool:
    """Tell whether a write concern failed because its wtimeout elapsed."""
    return error.get("code") == MAX_TIME_MS_EXPIRED or bool(
        (error.get("errInfo") or {}).get("wtimeout")
    )
