"""Whether code of the user's runs when BSON is encoded or decoded.

It may block, take locks, or read thread-locals and context variables. So it runs in the caller's
place (`greenmongo._hub.upcall`), never on the hub thread.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from datetime import datetime, timezone, tzinfo
from typing import Any
from uuid import UUID

from bson.binary import Binary
from bson.codec_options import CodecOptions, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.regex import Regex
from bson.son import SON
from bson.timestamp import Timestamp
from bson.tz_util import FixedOffset, utc

__all__ = ["codecs_are_users", "is_quickly_encoded"]

_DOCUMENT_CLASSES = frozenset({dict, SON, RawBSONDocument})
_NO_CODECS = TypeRegistry()
_LEAVES = frozenset(
    {
        *(int, float, bool, type(None), UUID, re.Pattern),
        *(Int64, ObjectId, Timestamp, Decimal128, DatetimeMS, Regex, MinKey, MaxKey),
    }
)
"""What is small and has nothing inside. Of any other class it may be code of the user's that tells
what is encoded, or what an error says."""

_ZONES = frozenset({timezone, FixedOffset})

_BUDGET = 2_000
"""Values: looked at, and then encoded, they take less than half a millisecond."""

_BYTES_PER_UNIT = 10
"""As a power of two: copying so many bytes takes no longer than to encode one value."""

_NESTING = 7
"""What a document or list costs beside what is in it, so that they are not nested too deeply."""


def codecs_are_users(options: CodecOptions[Any]) -> bool:
    """Tell whether a document class, type codec, fallback encoder or tzinfo is the user's own."""
    zone = options.tzinfo
    return (
        options.document_class not in _DOCUMENT_CLASSES
        or options.type_registry != _NO_CODECS
        or not (zone is None or zone is utc or zone is timezone.utc)
    )


def is_quickly_encoded(values: Collection[Any]) -> bool:
    """Tell whether values are few, and nothing of the user's runs when they are encoded.

    It stops where it costs more than to have the caller encode them: then it does not know, and
    says no.
    """
    return _spend(values, _BUDGET) >= 0


def _spend(values: Collection[Any], left: int) -> int:
    """Return what is left of a budget; less than nothing as well if there may be user code."""
    left -= len(values)
    if left < 0:
        return left
    for value in values:
        kind = type(value)
        if kind in _LEAVES:
            continue
        if kind is str or kind is bytes or kind is Binary:
            left -= len(value) >> _BYTES_PER_UNIT
        elif kind is dict or kind is SON:
            left = _spend(value.values(), left - _NESTING)
        elif kind is list or kind is tuple:
            left = _spend(value, left - _NESTING)
        elif kind is datetime:
            if not _is_known(value.tzinfo):
                return -1
        elif kind is RawBSONDocument:
            left -= len(value.raw) >> _BYTES_PER_UNIT
        else:
            return -1
        if left < 0:
            return left
    return left


def _is_known(zone: tzinfo | None) -> bool:
    if zone is None or zone is utc or type(zone) in _ZONES:
        return True
    zoneinfo: Any = sys.modules.get("zoneinfo")
    return zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo
