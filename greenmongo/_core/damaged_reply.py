"""Replies of which something cannot be decoded: text that is no UTF-8, a year beyond 9999.

Servers cut messages in the middle of a character, and hold dates that Python does not. What the
driver reads of a reply must not fail for that; the user, who gets the rest, is told.
"""

from __future__ import annotations

from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

__all__ = ["DamagedReply", "LenientReply", "decode_own"]

_LENIENT: CodecOptions[Any] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)


class LenientReply(dict[str, Any]):
    """A reply for the driver to read. Whoever hands all of it to the user decodes `body` again.

    Raises:
        BSONError: it is not BSON at all.
    """

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        super().__init__(bson.decode(body, _LENIENT))
        self.body = body


class DamagedReply(Exception):
    """A reply that says what the driver has to know, but not what the user wants."""

    def __init__(self, reply: LenientReply) -> None:
        super().__init__(reply)
        self.reply = reply


def decode_own(body: bytes | memoryview) -> dict[str, Any]:
    """Decode a reply that only the driver reads.

    Raises:
        BSONError: it is not BSON at all.
    """
    try:
        return bson.decode(body)
    except BSONError:
        return LenientReply(bytes(body))
