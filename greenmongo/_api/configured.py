"""What clients, databases and collections have in common: four options, and an executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from greenmongo._core.commands.arguments import require_codec_options, require_read_mode

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bson.codec_options import CodecOptions

    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.command import Command, Reply
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Named, ReadMode
    from greenmongo._net.observers.tracing import Tracing

__all__ = ["CommandExecutor", "Configured", "WithoutTruth", "name_of", "not_callable"]


class CommandExecutor(Protocol):
    """What the API asks of the executor, and all that it knows of it."""

    @property
    def tracing(self) -> Tracing | None:
        """What makes spans of the operations; None: nothing does."""
        ...

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        """Execute one command from any thread or greenlet and return the server's answer."""
        ...

    def limits(self) -> WriteLimits:
        """Return what the deployment accepts in one write."""
        ...

    def as_one_operation(self) -> AbstractContextManager[None]:
        """Have the commands of a block share the time that one operation may take."""
        ...

    def timeout_of_caller(self) -> float | None:
        """Return the seconds that the caller's operations are given; None: no timeout."""
        ...

    def new_operation_id(self) -> int:
        """Return a number that ties the commands of one operation together."""
        ...

    def kill_cursor_later(self, command: Command) -> None:
        """Run a cursor's killCursors some time soon; never blocks, never fails."""
        ...


class Configured:
    """Codec options, read preference, write concern and read concern, checked and read-only.

    What has them is reached by name, with `[]`, and cannot be iterated over.
    """

    _namespace: Namespace
    """What commands inherit."""

    def __init__(self, namespace: Namespace) -> None:
        require_codec_options(namespace.codec_options)
        require_read_mode(namespace.read_preference)
        if not isinstance(namespace.write_concern, WriteConcern):
            raise TypeError(
                "write_concern must be an instance of pymongo.write_concern.WriteConcern, "
                f"not {type(namespace.write_concern)}"
            )
        if not isinstance(namespace.read_concern, ReadConcern):
            raise TypeError(
                "read_concern must be an instance of pymongo.read_concern.ReadConcern, "
                f"not {type(namespace.read_concern)}"
            )
        self._namespace = namespace

    @property
    def codec_options(self) -> CodecOptions[Any]:
        """How documents are encoded and decoded."""
        return self._namespace.codec_options

    @property
    def read_preference(self) -> ReadMode:
        """Which servers may answer reads."""
        return self._namespace.read_preference

    @property
    def write_concern(self) -> WriteConcern:
        """When a write counts as done."""
        return self._namespace.write_concern

    @property
    def read_concern(self) -> ReadConcern:
        """Which data reads may see."""
        return self._namespace.read_concern

    # Python would iterate by __getitem__, without an end.
    __iter__ = None

    def __next__(self) -> NoReturn:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    next = __next__


class WithoutTruth:
    """Refuses `if database:`, as PyMongo does: it hardly ever asks what it seems to ask."""

    _noun: ClassVar[str]

    def __bool__(self) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} objects do not implement truth value testing or bool(). "
            f"Please compare with None instead: {self._noun} is not None"
        )


def name_of(thing: str | Named) -> object:
    """Return a name, or the name of a database or collection; the caller checks its type."""
    return thing if isinstance(thing, str) else getattr(thing, "name", thing)


def not_callable(kind: type, name: str, owner: type) -> str:
    """Say why a database or collection was called: a method was meant that `owner` has not.

    Args:
        kind: the class of what was called.
        name: its name.
        owner: the class of what it was reached through.
    """
    method = name.rsplit(".", 1)[-1]
    return (
        f"'{kind.__name__}' object is not callable. If you meant to call the '{method}' method on "
        f"a '{owner.__name__}' object it is failing because no such method exists."
    )
