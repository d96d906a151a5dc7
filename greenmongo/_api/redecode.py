"""Give a whole reply the types that the user asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions

from greenmongo._core.damaged_reply import LenientReply
from greenmongo._core.user_code import codecs_are_users, is_quickly_encoded
from greenmongo._hub.upcall import upcall

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["redecode"]


def redecode(document: Document, codec_options: CodecOptions[Any]) -> Any:
    """Decode a reply again with the user's options.

    Only commands whose whole reply is the user's come here, and only with options of their own;
    all others get theirs from the connection, without the detour.

    Raises:
        InvalidBSON: the reply cannot be decoded so.
    """
    if isinstance(document, LenientReply):
        body: bytes | None = document.body
    elif codec_options is DEFAULT_CODEC_OPTIONS or codec_options == DEFAULT_CODEC_OPTIONS:
        return document
    else:
        body = None

    def decode() -> Any:
        return bson.decode(bson.encode(document) if body is None else body, codec_options)

    if codecs_are_users(codec_options) or not is_quickly_encoded(document.values()):
        return upcall(decode)
    return decode()
