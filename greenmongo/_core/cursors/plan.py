"""What a cursor has fetched and what it must ask for next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenmongo._core.commands.find import FindSpec, find, get_more, kill_cursor
from greenmongo._core.constants import QueryFlag

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from bson.timestamp import Timestamp

    from greenmongo._core.command import Command, Lease, Reply
    from greenmongo._core.cursors.undecoded_batch import UndecodedBatch
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Address, Document, ReadMode

__all__ = ["CursorPlan"]


@dataclass(slots=True)
class CursorPlan:
    """The state of one server-side cursor. Holds no documents and does no I/O."""

    db: str
    collection: str
    codec_options: CodecOptions[Any]
    read_preference: ReadMode
    batch_size: int = 0
    limit: int = 0
    max_await_time_ms: int | None = None
    awaits_data: bool = False
    """The server waits for news before it says that there are none."""
    comment: Any = None
    streams: bool = False
    """It is an exhaust cursor: batches come without being asked for, where that is possible."""
    cursor_id: int | None = None
    """None until the first reply; 0 once the server has nothing more."""
    address: Address | None = None
    """The server that holds the cursor."""
    lease: Lease | None = None
    """What the cursor lives on."""
    retrieved: int = 0
    post_batch_resume_token: Document | None = None
    """Change Streams, "postBatchResumeToken": where a stream that has shown all of the last batch
    goes on after a failure."""
    operation_time: Timestamp | None = None
    """The cluster's time when the last batch was read."""

    @classmethod
    def of_find(cls, namespace: Namespace, spec: FindSpec) -> CursorPlan:
        """Plan to follow a find."""
        return cls(
            namespace.db,
            namespace.collection,
            namespace.codec_options,
            namespace.read_preference,
            spec.batch_size,
            spec.limit,
            spec.max_await_time_ms,
            spec.awaits_data,
            spec.comment,
            bool(spec.flags & QueryFlag.EXHAUST),
        )

    @staticmethod
    def first_command(namespace: Namespace, spec: FindSpec) -> Command:
        """Return the find that opens the cursor."""
        return find(namespace, spec)

    @property
    def is_exhausted(self) -> bool:
        """Whether the server has nothing more."""
        return self.cursor_id == 0

    @property
    def is_satisfied(self) -> bool:
        """Whether the limit is reached while the server still holds the cursor."""
        return bool(self.limit and self.cursor_id and self.limit <= self.retrieved)

    @property
    def must_kill(self) -> bool:
        """Whether a server holds a cursor for this plan."""
        return bool(self.cursor_id)

    def absorb(self, reply: Reply) -> list[Any] | UndecodedBatch:
        """Record a batch and return its documents."""
        self.keep(reply)
        return self.absorb_cursor(reply.document["cursor"])

    def keep(self, reply: Reply) -> None:
        """Record what a reply says beside its batch, and keep what the cursor lives on."""
        self.address, self.lease = reply.address, reply.lease
        self.operation_time = reply.document.get("operationTime")

    def absorb_cursor(self, cursor: Document) -> list[Any] | UndecodedBatch:
        """Record the `cursor` part of a reply and return its documents."""
        first = self.cursor_id is None
        documents: list[Any] | UndecodedBatch = cursor["firstBatch" if first else "nextBatch"]
        if first and cursor.get("ns"):
            # A view, or a command's cursor, lives in a namespace of its own.
            self.db, self.collection = cursor["ns"].split(".", 1)
        self.cursor_id = cursor["id"]
        self.post_batch_resume_token = cursor.get("postBatchResumeToken")
        self.retrieved += len(documents)
        return documents

    def next_command(self) -> Command:
        """Return the getMore for the next batch."""
        assert self.cursor_id
        batch_size = self.batch_size
        if self.limit:
            wanted = self.limit - self.retrieved
            batch_size = min(wanted, batch_size) if batch_size else wanted
        return get_more(
            self.db,
            self.collection,
            self.cursor_id,
            address=self.address,
            lease=self.lease,
            codec_options=self.codec_options,
            read_preference=self.read_preference,
            batch_size=batch_size,
            max_await_time_ms=self.max_await_time_ms,
            awaits_data=self.awaits_data,
            comment=self.comment,
            streams=self.streams,
        )

    def kill_command(self) -> Command:
        """Return the command that closes the cursor on its server."""
        assert self.cursor_id
        return kill_cursor(
            self.db,
            self.collection,
            self.cursor_id,
            address=self.address,
            lease=self.lease,
            read_preference=self.read_preference,
        )
