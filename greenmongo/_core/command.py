"""A command on its way to a server: what `_core.commands` builds and the executor runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

    from greenmongo._core.deadline import Deadline
    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._core.sessions.transaction import TransactionEvent
    from greenmongo._core.types import Address, Document, ReadMode

__all__ = [
    "Command",
    "DocumentSequence",
    "Lease",
    "Reply",
    "ReplyShape",
    "Requirement",
    "Retryability",
]


class Retryability(Enum):
    """Whether a command that may have been begun can be sent again.

    What a server has refused before it began may always be sent again (Client Backpressure).
    """

    NEVER = "never"
    READ = "read"
    """A retryable read (Retryable Reads, "Supported Read Operations")."""
    WRITE = "write"
    """A retryable write (Retryable Writes, "Supported Write Operations"), to be numbered."""
    UNKNOWN = "unknown"
    """Never, as the command is the caller's own; nobody knows whether it reads or writes."""
    ALWAYS = "always"
    """Whatever retryWrites says (Transactions, "Interaction with Retryable Writes")."""


class ReplyShape(Enum):
    """What the driver itself reads of the reply to a command that went well."""

    NOTHING = "nothing"
    FIRST_BATCH = "firstBatch"
    """A cursor with its first batch."""
    NEXT_BATCH = "nextBatch"
    """A cursor with another batch."""
    CURSOR_IF_ANY = "cursor, if any"
    """A cursor with its first batch, or none, which the caller is told."""
    WRITE = "write"
    """How much was written, and what went wrong."""
    BULK_WRITE = "bulkWrite"
    """How much a client's bulk write wrote, and a cursor of results, if there are any."""
    COUNT = "n"
    VALUES = "values"
    DATABASES = "databases"


class Lease(Protocol):
    """What an open cursor lives on, or is to. Only the executor looks into it."""

    @property
    def session(self) -> SessionState | None:
        """The implicit session that the cursor was opened in."""
        ...

    @property
    def explicit(self) -> SessionLike | None:
        """The caller's session that the cursor was opened in."""
        ...


class Requirement(NamedTuple):
    """What a server must be able to do, and how one that is not is refused."""

    wire_version: int
    error: type[PyMongoError]
    message: str


class DocumentSequence(NamedTuple):
    """Documents of one write, already BSON, sent as an OP_MSG section of kind 1."""

    identifier: str
    documents: Sequence[bytes]


class Command(NamedTuple):
    """One command, and all that has to be known about it: nobody tests its name to find out.

    A tuple, because it is immutable, as a retry sends the same object again, and yet quickly made:
    a frozen dataclass takes four times as long.
    """

    name: str
    """The first key of `body`."""
    body: Document
    """Everything but what the executor adds: `$db`, `lsid`, `txnNumber`, `$clusterTime`,
    `$readPreference`, `maxTimeMS` from a deadline."""
    db: str
    codec_options: CodecOptions[Any] = DEFAULT_CODEC_OPTIONS
    """How the reply's user documents (batches, values) are decoded."""
    read_preference: ReadMode | None = None
    """None: the operation needs a writable server."""
    is_write: bool = False
    retry: Retryability = Retryability.NEVER
    shape: ReplyShape = ReplyShape.NOTHING
    """What is checked of the reply, so that whoever reads it need not."""
    user_documents: bool = False
    """The reply carries user documents, so `codec_options` matters for it. If there are many in
    a batch, they come as an `UndecodedBatch`."""
    reads_after: bool = False
    """A causally consistent session says after which of the cluster's times it reads: Causal
    Consistency, "Causally consistent read and write commands". Run Command: not a caller's own."""
    acknowledged: bool = True
    """False: sent with moreToCome and never answered."""
    sequences: tuple[DocumentSequence, ...] = ()
    """What is sent beside the body. The first has a document for each statement of a write."""
    operation_id: int | None = None
    """Ties the commands of one bulk write together, for listeners."""
    address: Address | None = None
    """Set for getMore and killCursors: only this server can answer."""
    lease: Lease | None = None
    """Set for getMore and killCursors: what their cursor lives on. And for what opens a cursor, if
    that is to run in a session that others before it ran in."""
    opens_cursor: bool = False
    """The reply may leave a cursor open on the server, for somebody to read on."""
    awaits_data: bool = False
    """The server may wait for news before it answers, and the connection with it."""
    streams: bool = False
    """The server may send further batches without being asked: OP_MSG, "exhaustAllowed"."""
    closes_cursor: bool = False
    """Whatever comes of it, nobody reads on."""
    is_sensitive: bool = False
    """It carries credentials: listeners and the log see neither it nor its reply."""
    may_compress: bool = True
    """It may be sent compressed."""
    takes_max_time: bool = True
    """The server may be told what is left of timeoutMS. To getMore it would be the time to wait
    for news, which only some cursors do."""
    socket_timeout: float | None = None
    """The seconds to wait for the answer; None: as long as the connection's option says."""
    requires: Requirement | None = None
    """What is asked of the server beyond what all supported ones can do, before it is sent."""
    ends: TransactionEvent | None = None
    """Set for commitTransaction and abortTransaction."""
    operation_name: str | None = None
    """What the operation is called, for traces, where the command's name does not say it."""
    trace: Any = None
    """The traced operation that it is one of several commands of; None: it is the only one."""
    tolerates: Callable[[Document], bool] | None = None
    """Tells of a reply that is not ok whether the caller takes it nevertheless: then listeners
    are told of a success, as by PyMongo."""
    deadline: Deadline | None = None
    """Of its cursor, in place of what the client's timeoutMS says; endless if that is so."""


@dataclass(slots=True)
class Reply:
    """A successful answer: the reply document and the server that gave it."""

    document: Document
    address: Address
    lease: Lease | None = None
    """What the cursor in it lives on, if one is open. It ends when nobody keeps it."""
