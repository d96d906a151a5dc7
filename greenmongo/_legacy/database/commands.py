"""Commands, and what PyMongo 2.x offered as methods that only run one."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.errors import OperationFailure
from pymongo.read_preferences import ReadPreference

from greenmongo._core.types import DocT
from greenmongo._legacy._command_options import is_allowable, translate_command
from greenmongo._legacy.database.base import LegacyDatabaseBase
from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document, ReadMode

__all__ = ["Commands"]


class Commands(LegacyDatabaseBase[DocT], Generic[DocT]):
    """command, current_op and the profiler; and what has gone."""

    def command(
        self,
        /,
        command: str | MutableMapping[str, Any],
        value: Any = 1,
        check: bool = True,
        allowable_errors: Sequence[str | int] | None = None,
        read_preference: ReadMode | int | None = None,
        codec_options: CodecOptions[Any] | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        **options: Any,
    ) -> Any:
        """Run any command and return the server's answer.

        Args:
            command: the command's name, or all of it as a document.
            value: the value of its first field, when a name is given.
            check: raise if the server says that it failed.
            allowable_errors: messages, or codes, that are no failure. "ns not found" is known by
                its code too, as servers word it differently now.
            read_preference: which servers may answer; the primary by default.
            codec_options: how the answer is decoded.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **options: other fields of the command. Those that were the driver's are not sent:
                `tag_sets`, `slave_okay`, `as_class`, `uuid_subtype`, ...

        Raises:
            OperationFailure: the command failed.
        """
        named = translate_command({**options, "read_preference": read_preference})
        codecs: CodecOptions[Any] = codec_options or DEFAULT_CODEC_OPTIONS
        if named.decoding:
            codecs = codecs.with_options(**named.decoding)
        try:
            return super().command(
                command,
                value,
                check,
                None,
                named.read_preference or ReadPreference.PRIMARY,
                codec_options=codecs,
                session=session,
                comment=comment,
                **named.fields,
            )
        except OperationFailure as error:
            details: Document = dict(error.details or {})
            if not is_allowable(details, allowable_errors or ()):
                raise
            return details

    def current_op(self, include_all: bool = False) -> Document:
        """Return what the server is doing, as `{"inprog": [...]}`.

        Args:
            include_all: connections that do nothing, too.
        """
        reply: Document = self.client["admin"].command({"currentOp": 1, "$all": include_all})
        return reply

    def profiling_level(self) -> int:
        """Return what the profiler records: 0 nothing, 1 slow operations, 2 everything."""
        level: int = self.command("profile", -1)["was"]
        return level

    def set_profiling_level(self, level: int, slow_ms: int | None = None) -> None:
        """Say what the profiler shall record: 0 nothing, 1 slow operations, 2 everything.

        Args:
            level: see above.
            slow_ms: from how many milliseconds on an operation is slow, for the whole server.

        Raises:
            ValueError: there is no such level.
        """
        if isinstance(level, bool) or level not in (0, 1, 2):
            raise ValueError(f"level must be 0, 1 or 2, not {level!r}")
        options = {} if slow_ms is None else {"slowms": slow_ms}
        self.command({"profile": level, **options})

    def profiling_info(self) -> list[Any]:
        """Return what the profiler has recorded."""
        return list(self["system.profile"].find())

    def error(self) -> NoReturn:
        """Refuse: servers no longer keep the last error. Look at the write's own result.

        Raises:
            RemovedFromServer: always.
        """
        refuse("getLastError")

    def last_status(self) -> NoReturn:
        """Refuse: servers no longer keep the last status. Look at the write's own result.

        Raises:
            RemovedFromServer: always.
        """
        refuse("getLastError")

    def previous_error(self) -> NoReturn:
        """Refuse: servers no longer keep errors. Look at the write's own result.

        Raises:
            RemovedFromServer: always.
        """
        refuse("getPrevError")

    def reset_error_history(self) -> NoReturn:
        """Refuse: servers no longer keep errors.

        Raises:
            RemovedFromServer: always.
        """
        refuse("resetError")

    def eval(self, code: Any, *args: Any) -> NoReturn:
        """Refuse: servers no longer run JavaScript on demand.

        Raises:
            RemovedFromServer: always.
        """
        refuse("eval")
