"""The time limit of what a session does by itself, and of all of `with_transaction`.

Client Side Operations Timeout, "Sessions". That of `with_transaction` goes for every operation of
the session meanwhile, whoever makes it; none may have another.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from greenmongo._core.deadline import Deadline
from greenmongo._hub.errors import MisuseError
from greenmongo._net.time_limit import (
    BLOCK,
    Block,
    as_one_operation,
    has_timeout,
    is_limited,
    timeout,
)

if TYPE_CHECKING:
    from types import TracebackType

    from greenmongo._core.sessions.client_session import SessionState

__all__ = ["LimitOfTransaction", "deadline_in", "limited", "refuse_another_limit"]


def limited(default: float | None) -> AbstractContextManager[None]:
    """Return a block with a time limit, unless there is one around it.

    Args:
        default: the limit in seconds; 0.0 is for ever, None is none.
    """
    if default is None or is_limited():
        return nullcontext()
    return as_one_operation(default) if default else timeout(0)


class LimitOfTransaction(AbstractContextManager[None]):
    """The block in which `with_transaction` does all that it does.

    Args:
        state: of the session.
        default: the limit if there is none around it, in seconds; 0.0 is for ever, None is none.
    """

    def __init__(self, state: SessionState, default: float | None) -> None:
        self._state = state
        self._default = default
        self._block = limited(default)

    def __enter__(self) -> None:
        self._block.__enter__()
        self._state.limit = BLOCK.get() if has_timeout(self._default) else None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._state.limit = None
        self._block.__exit__(exc_type, exc, traceback)


def refuse_another_limit(state: SessionState) -> None:
    """Object to a `timeout` around an operation of `with_transaction`, which has its time.

    CSOT, "Validation and Overrides".

    Raises:
        MisuseError: there is one.
    """
    block = BLOCK.get()
    if block is not None and block is not state.limit:
        raise MisuseError(
            "an operation in with_transaction has a timeout() of its own",
            "the time limit is one for the whole transaction: put the block around it",
        )


def deadline_in(state: SessionState, deadline: Deadline | None) -> Deadline | None:
    """Return the deadline of an operation, which of others' is that of `with_transaction`.

    Args:
        state: of its session.
        deadline: as it would be without that.
    """
    limit = state.limit
    if not isinstance(limit, Block) or BLOCK.get() is not None:
        return deadline
    return Deadline(limit.ends_at, limit.seconds) if limit.seconds else None
