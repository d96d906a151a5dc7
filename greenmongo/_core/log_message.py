"""What the log messages of the driver are made of: fields, and documents cut to a length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bson import json_util
from bson.binary import Binary, UuidRepresentation

if TYPE_CHECKING:
    from greenmongo._core.types import Address, Document

__all__ = ["LogMessage", "address_fields", "extended_json", "max_document_length"]

DEFAULT_MAX_DOCUMENT_LENGTH = 1000

_VARIABLES = (
    "GREENMONGO_LOG_MAX_DOCUMENT_LENGTH",
    "MONGODB_LOG_MAX_DOCUMENT_LENGTH",
    # The specification spells it so, and other drivers read it.
    "MONGOB_LOG_MAX_DOCUMENT_LENGTH",
)
_OPTIONS = json_util.RELAXED_JSON_OPTIONS.with_options(
    uuid_representation=UuidRepresentation.STANDARD
)


class LogMessage:
    """One message as a logging record's `msg`: `fields` for programs, JSON as its text."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields: Document = {key: value for key, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return json_util.dumps(self.fields, json_options=_OPTIONS, default=repr)


def address_fields(address: Address) -> Document:
    """Return the fields that name a server."""
    host, port = address
    return {"serverHost": host, "serverPort": port}


def max_document_length(environ: Mapping[str, str]) -> int:
    """Return how many characters of a document are logged, as the environment says.

    What is not a number, or below zero, counts as not said.
    """
    for name in _VARIABLES:
        text = environ.get(name, "").strip()
        if text.isascii() and text.isdigit():
            return int(text)
    return DEFAULT_MAX_DOCUMENT_LENGTH


def extended_json(document: Any, limit: int) -> str:
    """Return a document as relaxed extended JSON of at most `limit` characters and an ellipsis."""
    cut, _ = _cut(document, limit + 1)
    # Letters as themselves: cut anywhere they stay whole, and the message around escapes them.
    text = json_util.dumps(cut, json_options=_OPTIONS, default=repr, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "..."


def _cut(value: Any, room: int) -> tuple[Any, int]:
    """Return what of a value can show in `room` characters, and the room that is left at most.

    Writing 48 megabytes as JSON to show a thousand characters of them would stop everybody.
    """
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for key, item in value.items():
            if room <= 0:
                break
            kept[key], room = _cut(item, room - len(key) - 4)
        return kept, room
    if isinstance(value, (list, tuple)):
        items: list[Any] = []
        for item in value:
            if room <= 0:
                break
            shown, room = _cut(item, room - 1)
            items.append(shown)
        return items, room
    if isinstance(value, str):
        return (value[:room] if 0 <= room < len(value) else value), room - len(value)
    if isinstance(value, bytes):
        if len(value) > room + 64:
            value = Binary(value[: max(room, 0)])
        return value, room - len(value)
    return value, room - 1
