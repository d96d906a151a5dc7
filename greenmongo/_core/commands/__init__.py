"""Builders: one module per family of commands, each function returns a `Command`."""

from __future__ import annotations

from typing import Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions

__all__ = ["reply_codec"]


def reply_codec(codec_options: CodecOptions[Any]) -> CodecOptions[Any]:
    """Return how a reply holding only scattered user values (keys, ids) is decoded."""
    if codec_options is DEFAULT_CODEC_OPTIONS or codec_options == DEFAULT_CODEC_OPTIONS:
        return DEFAULT_CODEC_OPTIONS
    return codec_options.with_options(document_class=dict, unicode_decode_error_handler="replace")
