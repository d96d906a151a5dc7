"""A command on its way to a server: what `_core.commands` builds and the executor runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions

if TYPE_CHECKING:
    from greenmongo._core.types import Address, Document, ReadMode

__all__ = ["Command", "DocumentSequence", "Reply"]


@dataclass(slots=True)
class DocumentSequence:
    """The documents of one write, already BSON, sent as an OP_MSG section of kind 1."""

    identifier: str
    documents: Sequence[bytes]


@dataclass(slots=True)
class Command:
    """One command. Treat it as immutable: a retry sends the same object again.

    `body` starts with the command's name and holds everything but what the executor adds:
    `$db`, `lsid`, `txnNumber`, `$clusterTime`, `$readPreference`, `maxTimeMS` from a deadline.
    """

    body: Document
    db: str
    codec_options: CodecOptions[Any] = field(default=DEFAULT_CODEC_OPTIONS)
    """How the reply's user documents (batches, values) are decoded."""
    read_preference: ReadMode | None = None
    """None: the operation needs a writable server."""
    is_write: bool = False
    may_retry: bool = False
    """A retryable read or write as the specifications define it; options may still forbid it."""
    acknowledged: bool = True
    """False: sent with moreToCome and never answered."""
    sequence: DocumentSequence | None = None
    address: Address | None = None
    """Set for getMore and killCursors: only this server can answer."""
    user_documents: bool = False
    """The reply carries user documents, so `codec_options` matters for it. If there are many in
    a batch, they come as an `UndecodedBatch`."""
    operation_id: int | None = None
    """Ties the commands of one bulk write together, for listeners."""
    socket_timeout: float | None = None
    """The seconds to wait for the answer; None: as long as the connection's option says."""
    is_generic: bool = False
    """The caller's own: nobody knows whether it reads or writes."""
    tolerates: Callable[[Document], bool] | None = None
    """Tells of a reply that is not ok whether the caller takes it nevertheless: then listeners
    are told of a success, as by PyMongo."""

    @property
    def name(self) -> str:
        """The command's name, the first key of its body."""
        return next(iter(self.body))

    @property
    def is_batch(self) -> bool:
        """Whether it is one of the commands of a bulk write."""
        return self.operation_id is not None


@dataclass(slots=True)
class Reply:
    """A successful answer: the reply document and the server that gave it."""

    document: Document
    address: Address
