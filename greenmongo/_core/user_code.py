"""Whether code of the user's runs when BSON is encoded or decoded.

It may block, take locks, or read thread-locals and context variables. So it runs in the caller's
place (`greenmongo._hub.upcall`), never on the hub thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timezone
from typing import Any

from bson.binary import Binary
from bson.codec_options import CodecOptions, TypeRegistry
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from bson.timestamp import Timestamp
from bson.tz_util import utc

__all__ = ["codecs_are_users", "contains_users_documents", "encoding_is_users"]

_DOCUMENT_CLASSES = frozenset({dict, SON, RawBSONDocument})
_NO_CODECS = TypeRegistry()
_LEAVES = frozenset({str, int, float, bool, bytes, type(None), Int64, ObjectId, Binary, Timestamp})
"""The commonest of what has nothing inside."""


def codecs_are_users(options: CodecOptions[Any]) -> bool:
    """Tell whether a document class, type codec, fallback encoder or tzinfo is the user's own."""
    zone = options.tzinfo
    return (
        options.document_class not in _DOCUMENT_CLASSES
        or options.type_registry != _NO_CODECS
        or not (zone is None or zone is utc or zone is timezone.utc)
    )


def encoding_is_users(options: CodecOptions[Any], documents: Iterable[Any]) -> bool:
    """Tell whether encoding documents runs the user's code: by the options, or by their class.

    Documents inside of documents are not looked at.
    """
    return not _DOCUMENT_CLASSES.issuperset(map(type, documents)) or codecs_are_users(options)


def contains_users_documents(values: Iterable[Any]) -> bool:
    """Tell whether there is a document of a class of the user's among values, or inside of them.

    It costs about as much as to encode them, one or two microseconds for a command. For the many
    documents of inserts that is too much.
    """
    for value in values:
        kind = type(value)
        if kind in _LEAVES or kind is RawBSONDocument:
            continue
        if kind is dict or kind is SON:
            if contains_users_documents(value.values()):
                return True
        elif kind is list or kind is tuple:
            if contains_users_documents(value):
                return True
        elif isinstance(value, Mapping):
            return True
    return False
