"""A database's commands: any by its name, and pipelines without a collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.errors import InvalidOperation, NotPrimaryError, OperationFailure
from pymongo.read_preferences import ReadPreference

from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.database.base import DatabaseBase
from greenmongo._api.in_place import encode_in_place
from greenmongo._api.open_cursor import cursor_of, open_aggregation, time_limit
from greenmongo._api.redecode import redecode
from greenmongo._core.commands.admin import run_command
from greenmongo._core.commands.aggregate import aggregate
from greenmongo._core.commands.arguments import Pipeline
from greenmongo._core.constants import CursorType
from greenmongo._core.cursors.time_limit import check_await_time
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document, ReadMode

__all__ = ["Commands"]

OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class Commands(DatabaseBase[DocT], Generic[DocT]):
    """Run commands and aggregate."""

    def aggregate(
        self,
        /,
        pipeline: Pipeline,
        session: SessionLike | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
        **kwargs: Any,
    ) -> CommandCursor[DocT]:
        """Run a pipeline that starts without a collection: `$currentOp`, `$documents`, ...

        Args:
            pipeline: a list of stages.
            session: the session to run in.
            timeout_mode: as that of `Collection.find`.
            **kwargs: options of the aggregate command, `comment` and `let` among them.

        Raises:
            ConfigurationError: a keyword would change what the command is, or `timeout_mode` does
                not suit it.
        """
        plan = aggregate(self._namespace, pipeline, options=kwargs)
        collection = self._collection("$cmd.aggregate")
        return open_aggregation(collection, plan, session, CommandCursor, timeout_mode)

    @overload
    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = ...,
        check: bool = ...,
        allowable_errors: Sequence[str | int] | None = ...,
        read_preference: ReadMode | None = ...,
        codec_options: None = None,
        session: SessionLike | None = ...,
        comment: Any | None = ...,
        **kwargs: Any,
    ) -> dict[str, Any]: ...

    @overload
    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = ...,
        check: bool = ...,
        allowable_errors: Sequence[str | int] | None = ...,
        read_preference: ReadMode | None = ...,
        *,
        codec_options: CodecOptions[OtherT],
        session: SessionLike | None = ...,
        comment: Any | None = ...,
        **kwargs: Any,
    ) -> OtherT: ...

    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = 1,
        check: bool = True,
        allowable_errors: Sequence[str | int] | None = None,
        read_preference: ReadMode | None = None,
        codec_options: CodecOptions[Any] | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run any command and return the server's answer.

        Nothing is inherited from this database's options, and nothing is retried.

        Args:
            command: the command's name, or all of it as a document.
            value: the value of its first field, when a name is given.
            check: raise if the server says that it failed.
            allowable_errors: codes, or messages, that are no failure.
            read_preference: which servers may answer; the primary by default.
            codec_options: how the answer is decoded.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: other fields of the command.

        Raises:
            OperationFailure: the command failed.
        """
        if comment is not None:
            kwargs["comment"] = comment
        built = _built(
            self._name,
            command,
            value,
            read_preference=read_preference,
            codec_options=codec_options,
            options=kwargs,
            tolerates=tolerance(check, allowable_errors),
        )
        try:
            document = self._executor.execute(built, session).document
        except (OperationFailure, NotPrimaryError) as error:
            details: Any = error.details or {}
            if built.tolerates is None or not built.tolerates(details):
                raise
            document = dict(details)
        return redecode(document, codec_options or DEFAULT_CODEC_OPTIONS)

    def cursor_command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = 1,
        read_preference: ReadMode | None = None,
        codec_options: CodecOptions[Any] | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        max_await_time_ms: int | None = None,
        *,
        cursor_type: int = CursorType.NON_TAILABLE,
        timeout_mode: TimeoutMode | None = None,
        **kwargs: Any,
    ) -> CommandCursor[DocT]:
        """Run any command that answers with a cursor, and return the cursor.

        Args:
            command: the command's name, or all of it as a document.
            value: the value of its first field, when a name is given.
            read_preference: which servers may answer; the primary by default.
            codec_options: how the documents are decoded.
            session: the session to run in.
            comment: of the batches that follow the first.
            max_await_time_ms: the milliseconds that the server waits for documents before it says
                that there are none, if the cursor awaits data.
            cursor_type: the value of `CursorType` that the command asks for. One with the fields
                `tailable` and `awaitData` need not say so.
            timeout_mode: as that of `Collection.find`.
            **kwargs: other fields of the command.

        Raises:
            InvalidOperation: the answer has no cursor.
            OperationFailure: the command failed.
            ConfigurationError: `timeout_mode` or `max_await_time_ms` does not suit the timeout or
                the cursor.
        """
        # As in PyMongo, the comment is for the batches that follow.
        built = _built(
            self._name,
            command,
            value,
            read_preference=read_preference,
            codec_options=codec_options,
            options=kwargs,
            opens_cursor=True,
        )
        collection = self._collection(
            "$cmd", codec_options, read_preference or ReadPreference.PRIMARY
        )
        is_tailable = bool(cursor_type & CursorType.TAILABLE or built.body.get("tailable"))
        awaits_data = bool(built.body.get("awaitData")) or cursor_type == CursorType.TAILABLE_AWAIT
        limit = time_limit(collection, timeout_mode)
        check_await_time(max_await_time_ms, self._executor.timeout_of_caller())
        if is_tailable and not awaits_data:
            # The server would take it for the whole life of the cursor.
            built = built._replace(takes_max_time=False)
        if limit is not None:
            limit.check(is_tailable=is_tailable)
            built = limit.first(built, monotonic(), awaits_data=awaits_data)
        reply = self._executor.execute(built, session)
        if not reply.document.get("cursor"):
            raise InvalidOperation("Command does not return a cursor.")
        cursor: CommandCursor[DocT] = cursor_of(
            collection,
            reply,
            session,
            CommandCursor,
            max_await_time_ms=max_await_time_ms,
            comment=comment,
        )
        cursor._limit = limit
        cursor._plan.awaits_data = cursor._plan.awaits_data or awaits_data
        return cursor


def _built(db: str, command: Any, value: Any, *, options: Document, **how: Any) -> Command:
    """Return a caller's own command; the documents that it is made of may be of his classes."""
    build = partial(run_command, db, command, value, options=options, **how)
    return encode_in_place(build, (command, options), DEFAULT_CODEC_OPTIONS)


def tolerance(
    check: bool, allowable: Sequence[str | int] | None
) -> Callable[[Mapping[str, Any]], bool] | None:
    """Return what tells whether an error is none to the caller; None if all of them are."""
    if check and not allowable:
        return None
    return lambda reply: not check or is_allowed(reply, allowable or ())


def is_allowed(reply: Mapping[str, Any], allowable: Sequence[str | int]) -> bool:
    """Tell whether the caller said that this error is none; messages count only without a code."""
    code = reply.get("code")
    return (reply.get("errmsg") if code is None else code) in allowable
