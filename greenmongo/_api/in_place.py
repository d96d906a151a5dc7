"""What of an operation is done in the caller's place: its documents are encoded there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from greenmongo._core.user_code import codecs_are_users, is_quickly_encoded
from greenmongo._hub.upcall import may_ask, upcall

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

__all__ = ["begin_of", "begun_by", "encode_in_place"]

P = ParamSpec("P")
R = TypeVar("R")
BegunT = TypeVar("BegunT")


def begun_by(begin: Callable[P, object]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say which method does what of a blocking one a task does itself, before it crosses.

    Threads and greenlets call the blocking one, and are in their place all the time.
    """

    def mark(method: Callable[P, R]) -> Callable[P, R]:
        method.__dict__["_begin"] = begin
        return method

    return mark


def begin_of(method: Callable[P, Any]) -> Callable[P, Any]:
    """Return the method that begins a method marked with `begun_by`."""
    return cast("Callable[P, Any]", method.__dict__["_begin"])


def encode_in_place(encode: Callable[[], R], document: Any, options: CodecOptions[Any]) -> R:
    """Return what `encode()` returns, called where it may run code of the user's and take long.

    Args:
        encode: encodes the document.
        document: what is encoded.
        options: how.
    """
    if not may_ask():
        return encode()
    # An operation that a task has begun, as the end of an upload.
    if not codecs_are_users(options) and is_quickly_encoded((document,)):
        return encode()
    return upcall(encode)
