"""The loop of every write that takes several messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["Progress", "run_batches"]

BatchT = TypeVar("BatchT")
BatchT_contra = TypeVar("BatchT_contra", contravariant=True)


class Progress(Protocol[BatchT_contra]):
    """What the loop asks of a result that is being added up."""

    @property
    def is_halted(self) -> bool:
        """Whether nothing more is to be sent."""
        ...

    def record(self, batch: BatchT_contra, reply: Document) -> None:
        """Add the reply to one message."""
        ...

    def record_failure(self, error: OperationFailure) -> None:
        """Add that a whole message failed, or raise it."""
        ...

    def conclude(self) -> Document:
        """Return the result, or raise what went wrong."""
        ...


def run_batches(
    executor: CommandExecutor,
    batches: Iterable[BatchT],
    build: Callable[[BatchT, int], Command],
    progress: Progress[BatchT],
    session: SessionLike | None,
) -> Document:
    """Send one message after another and return what they add up to.

    Args:
        executor: what runs the commands.
        batches: what each message carries.
        build: makes the command of a batch; its second argument is the operation id.
        progress: adds up the replies, and says when to stop.
        session: the session to run in.

    Raises:
        PyMongoError: what `progress` makes of the failures.
    """
    # Command Logging and Monitoring, CommandStartedEvent: operationId links the events of a bulk
    # write.
    operation_id = executor.new_operation_id()
    for batch in batches:
        command = build(batch, operation_id)
        try:
            document = executor.execute(command, session).document
        except OperationFailure as error:
            progress.record_failure(error)
        else:
            progress.record(batch, document)
        if progress.is_halted:
            break
    return progress.conclude()
