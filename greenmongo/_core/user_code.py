"""Whether code of the user's runs when BSON is encoded or decoded.

It may block, take locks, or read thread-locals and context variables. So it runs in the caller's
place (`greenmongo._hub.upcall`), never on the hub thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timezone
from typing import Any

from bson.codec_options import CodecOptions, TypeRegistry
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from bson.tz_util import utc

__all__ = ["codecs_are_users", "encoding_is_users"]

_DOCUMENT_CLASSES = frozenset({dict, SON, RawBSONDocument})
_NO_CODECS = TypeRegistry()


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
