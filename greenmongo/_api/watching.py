"""`watch`: of collections, databases and clients alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic

from greenmongo._api.change_stream import ChangeStream
from greenmongo._api.configured import Configured
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from bson.timestamp import Timestamp

    from greenmongo._api.collection.base import CollectionBase
    from greenmongo._core.change_stream_plan import ResumeToken
    from greenmongo._core.commands.arguments import CollationIn, Pipeline
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Watching"]


class Watching(Configured, Generic[DocT]):
    """What can be watched."""

    _change_stream_class: ClassVar[type[ChangeStream[Any]]]

    def _watched(self, codec_options: CodecOptions[Any]) -> tuple[CollectionBase[Any], Namespace]:
        """Return the collection that a cursor of changes reads, and the namespace to watch."""
        raise NotImplementedError

    def watch(
        self,
        pipeline: Pipeline | None = None,
        full_document: str | None = None,
        resume_after: ResumeToken | None = None,
        max_await_time_ms: int | None = None,
        batch_size: int | None = None,
        collation: CollationIn | None = None,
        start_at_operation_time: Timestamp | None = None,
        session: SessionLike | None = None,
        start_after: ResumeToken | None = None,
        comment: Any | None = None,
        full_document_before_change: str | None = None,
        show_expanded_events: bool | None = None,
    ) -> ChangeStream[DocT]:
        """Watch what changes here, from now on or from where you say.

        A collection's changes, those of all collections of a database, or a client's: those of all
        its databases.

        Args:
            pipeline: stages behind `$changeStream`: `$match`, `$project`, ...
            full_document: `"updateLookup"`, `"whenAvailable"` or `"required"`: the whole document
                comes with its updates.
            resume_after: the `resume_token` of an earlier stream, to go on behind it.
            max_await_time_ms: the milliseconds that the server waits for a change before it
                answers that there is none.
            batch_size: how many changes a round trip brings at most.
            collation: how strings are compared in the pipeline.
            start_at_operation_time: the cluster's time to begin with.
            session: the session to run in.
            start_after: as `resume_after`, and also behind the end of what was watched.
            comment: shown in the server's logs and profiles.
            full_document_before_change: `"whenAvailable"` or `"required"`: the document as it was
                before comes as well.
            show_expanded_events: also changes of indexes and the like.

        Raises:
            ConfigurationError: `max_await_time_ms` is not less than the timeout.
            OperationFailure: this is no replica set, or the server does not know the token.
        """
        stream: ChangeStream[DocT] = self._change_stream_class(
            self,
            pipeline,
            full_document,
            resume_after,
            max_await_time_ms,
            batch_size,
            collation,
            start_at_operation_time,
            session,
            start_after,
            comment,
            full_document_before_change,
            show_expanded_events,
        )
        return stream._open()
