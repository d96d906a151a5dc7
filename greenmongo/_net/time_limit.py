"""The deadline of a block of operations, in the caller's context variables."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from greenmongo._core.deadline import Deadline

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "BLOCK",
    "Block",
    "as_one_operation",
    "deadline_of_caller",
    "deadline_of_command",
    "has_timeout",
    "is_limited",
    "timeout",
    "timeout_of_caller",
]


@dataclass(frozen=True, slots=True)
class Block:
    """What the innermost block says."""

    seconds: float | None
    """0.0: no limit at all; None: what the client's timeoutMS says."""
    ends_at: float
    """With the blocks around it."""


BLOCK: ContextVar[Block | None] = ContextVar("greenmongo_timeout", default=None)


class _TimeLimit(AbstractContextManager[None]):
    """The block of `timeout`."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._token: Token[Block | None] | None = None

    def __enter__(self) -> None:
        outer, seconds = BLOCK.get(), self._seconds
        ends_at = inf if outer is None else outer.ends_at
        if seconds:
            ends_at = min(ends_at, monotonic() + seconds)
        self._token = BLOCK.set(Block(seconds, ends_at))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            BLOCK.reset(token)


def timeout(seconds: float | None) -> AbstractContextManager[None]:
    """Limit the time that a block of operations may take together.

    Operations that are not over by then, or begin later, raise an error whose `timeout` is true.
    It goes for blocking code and for coroutines, and comes before a client's timeoutMS. A block
    within another can only shorten its time.

    Args:
        seconds: how long; 0 for no limit of its own, None for what the client's timeoutMS says.

    Raises:
        TypeError: `seconds` is no number.
        ValueError: `seconds` is negative.
    """
    if not isinstance(seconds, (int, float, type(None))) or isinstance(seconds, bool):
        raise TypeError(f"timeout must be None, an int, or a float, not {type(seconds)}")
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"timeout cannot be negative, but was {seconds}")
    return _TimeLimit(None if seconds is None else float(seconds))


class _OneOperation(AbstractContextManager[None]):
    """The block of `as_one_operation`. It may be left, and entered again."""

    def __init__(self, seconds: float) -> None:
        outer = BLOCK.get()
        ends_at = monotonic() + seconds
        if outer is not None:
            ends_at = min(ends_at, outer.ends_at)
        self._block = Block(seconds, ends_at)
        self._token: Token[Block | None] | None = None

    def __enter__(self) -> None:
        self._token = BLOCK.set(self._block)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            BLOCK.reset(token)


def as_one_operation(default: float | None) -> AbstractContextManager[None]:
    """Have commands share the time that one operation may take, from now on.

    Args:
        default: the client's timeoutMS, in seconds; 0.0 and None mean that there is none.
    """
    # The caller's own limit holds for all of them already.
    return _OneOperation(default) if default and not is_limited() else nullcontext()


def deadline_of_caller(default: float | None) -> Deadline | None:
    """Return when an operation that begins now must be over; None if it may take for ever.

    Args:
        default: the client's timeoutMS, in seconds; 0.0 and None mean that there is none.
    """
    block = BLOCK.get()
    if block is None:
        return Deadline.after(default, monotonic()) if default else None
    if block.seconds is None:
        if not default:
            return None
        return Deadline(min(block.ends_at, monotonic() + default), default)
    return Deadline(block.ends_at, block.seconds) if block.seconds else None


def deadline_of_command(own: Deadline, default: float | None) -> Deadline | None:
    """Return when a command with a deadline of its own must be over; None if it may take for ever.

    A block around the caller may end sooner.

    Args:
        own: of the command; it may be endless.
        default: the client's timeoutMS, in seconds, which the command's own takes the place of.
    """
    block = BLOCK.get()
    if block is not None and block.ends_at < own.at:
        return Deadline(block.ends_at, block.seconds or default)
    return None if own.at == inf else own


def is_limited() -> bool:
    """Tell whether there is a block around the caller that says how long operations may take."""
    block = BLOCK.get()
    return block is not None and block.seconds is not None


def timeout_of_caller(default: float | None) -> float | None:
    """Return the seconds that an operation which begins now is given; None if there is no timeout.

    Args:
        default: the client's timeoutMS, in seconds, None if it has none.
    """
    block = BLOCK.get()
    return default if block is None or block.seconds is None else block.seconds


def has_timeout(default: float | None) -> bool:
    """Tell whether the caller's operations have a timeout, be it 0, which is no deadline.

    CSOT, "Timeout Behavior": 0 is infinite, and not the same as none, to which older rules apply.

    Args:
        default: the client's timeoutMS, in seconds, None if it has none.
    """
    return timeout_of_caller(default) is not None
