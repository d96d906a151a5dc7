"""Where a change stream goes on: its pipeline, its resume token, and which errors it outlives.

Pure: nothing is sent here. Section names are those of the Change Streams specification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo.collation import validate_collation_or_none
from pymongo.errors import (
    ConnectionFailure,
    CursorNotFound,
    OperationFailure,
    PyMongoError,
)

from greenmongo._core.commands.aggregate import Aggregation, aggregate, batch_size_of
from greenmongo._core.commands.arguments import CollationIn, Pipeline, require_list
from greenmongo._core.error_labels import RESUMABLE_CHANGE_STREAM_ERROR, with_labels
from greenmongo._core.server_codes import RESUMABLE_CODES, SERVER_4_4_WIRE_VERSION

if TYPE_CHECKING:
    from bson.timestamp import Timestamp

    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Document

__all__ = [
    "ChangeStreamPlan",
    "ResumeToken",
    "is_resumable",
    "labelled_as_resumable",
]

ResumeToken = Mapping[str, Any]
"""What a server calls a place in its history by."""


@dataclass(slots=True)
class ChangeStreamPlan:
    """What is watched, and from where on it is when the stream is opened or resumed."""

    pipeline: Sequence[Mapping[str, Any]]
    """The caller's own stages, behind `$changeStream`."""
    stage: Document
    """Options of the stage that never change."""
    options: Document
    """Of the aggregate command."""
    comment: Any = None
    resume_token: ResumeToken | None = None
    start_at_operation_time: Timestamp | None = None
    starts_after: bool = False
    """The token goes by `startAfter`: until the first change is returned ("Resume Process")."""
    has_start: bool = False
    """The caller has said where to begin, or a change was returned."""

    @classmethod
    def build(
        cls,
        pipeline: Pipeline | None,
        *,
        full_document: str | None,
        full_document_before_change: str | None,
        show_expanded_events: bool | None,
        resume_after: ResumeToken | None,
        start_after: ResumeToken | None,
        start_at_operation_time: Timestamp | None,
        max_await_time_ms: int | None,
        batch_size: int | None,
        collation: CollationIn | None,
        comment: Any,
        whole_cluster: bool,
    ) -> ChangeStreamPlan:
        """Check the arguments of `watch` and return what they come to; it keeps them.

        Raises:
            TypeError: the pipeline is no list, or `full_document` no string.
            ValueError: `batch_size` is negative.
        """
        stages = [] if pipeline is None else pipeline
        require_list("pipeline", stages)
        if full_document is not None and not isinstance(full_document, str):
            raise TypeError(
                "Wrong type for full_document, value must be an instance of str, "
                f"not {type(full_document)}"
            )
        validate_collation_or_none(collation)
        batch_size_of(batch_size)
        stage = {
            "fullDocument": full_document,
            "fullDocumentBeforeChange": full_document_before_change,
            "showExpandedEvents": show_expanded_events or None,
            "allChangesForCluster": whole_cluster or None,
        }
        options = {
            "maxAwaitTimeMS": max_await_time_ms,
            "batchSize": batch_size,
            "collation": collation,
        }
        token = resume_after if start_after is None else start_after
        return cls(
            list(stages),
            {name: value for name, value in stage.items() if value is not None},
            {name: value for name, value in options.items() if value is not None},
            comment,
            token,
            start_at_operation_time,
            starts_after=start_after is not None,
            has_start=token is not None or start_at_operation_time is not None,
        )

    def command(self, namespace: Namespace) -> Aggregation:
        """Return the aggregation that opens the stream where it is now.

        Args:
            namespace: of a collection, of a database, or `admin` for all of them.
        """
        stage = dict(self.stage)
        if self.resume_token is not None:
            stage["startAfter" if self.starts_after else "resumeAfter"] = self.resume_token
        elif self.start_at_operation_time is not None:
            stage["startAtOperationTime"] = self.start_at_operation_time
        pipeline = [{"$changeStream": stage}, *self.pipeline]
        return aggregate(namespace, pipeline, comment=self.comment, options=self.options)

    # "Updating the Cached Resume Token", and "startAtOperationTime".

    def opened(
        self, post_batch_resume_token: ResumeToken | None, operation_time: Timestamp | None
    ) -> None:
        """Take what a first batch without a change says.

        Raises:
            OperationFailure: there is nothing in it to go on from after a failure.
        """
        if post_batch_resume_token is not None:
            self.resume_token = post_batch_resume_token
        elif not self.has_start and self.start_at_operation_time is None:
            if operation_time is None:
                raise OperationFailure(
                    "Expected field 'operationTime' missing from command response: the change "
                    "stream could not be resumed"
                )
            self.start_at_operation_time = operation_time

    def emptied(self, post_batch_resume_token: ResumeToken | None) -> None:
        """Take what a later batch without a change says."""
        if post_batch_resume_token is not None:
            self.resume_token = post_batch_resume_token
            self.start_at_operation_time = None

    def returned(self, token: ResumeToken) -> None:
        """Go on behind a change that was returned: its `_id`, or a later token of its batch."""
        self.resume_token = token
        self.start_at_operation_time = None
        self.starts_after, self.has_start = False, True


def labelled_as_resumable(error: PyMongoError, wire_version: int) -> PyMongoError:
    """Return the error of a `getMore` with the label that a server before 4.4 does not give it.

    Args:
        error: the server's.
        wire_version: of the connection that it came over, not of the server as it is now.
    """
    code = getattr(error, "code", None)
    if wire_version >= SERVER_4_4_WIRE_VERSION or code not in RESUMABLE_CODES:
        return error
    return with_labels(error, RESUMABLE_CHANGE_STREAM_ERROR)


def is_resumable(error: Exception) -> bool:
    """Tell whether a stream can be resumed after an error ("Resumable Error").

    Servers label theirs, but for a cursor that they do not know; for old ones the driver does.
    """
    if isinstance(error, (ConnectionFailure, CursorNotFound)):
        return True
    return isinstance(error, PyMongoError) and error.has_error_label(RESUMABLE_CHANGE_STREAM_ERROR)
