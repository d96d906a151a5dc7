"""An executor that answers from a list, and a database and collection on top of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from greenmongo import Collection, Database, MongoClient
from greenmongo._core.bulk.batches import WriteLimits
from greenmongo._core.command import Command, Reply
from greenmongo._core.reply import check_reply
from greenmongo._core.sessions.client_session import SessionLike
from greenmongo._core.types import Address, Document

__all__ = ["HOME", "FakeExecutor", "cursor_reply", "fake_collection", "fake_database"]

HOME: Address = ("home", 27017)


class FakeExecutor:
    """Keeps the commands it is given; replies, or raises, what the test told it to."""

    tracing = None

    def __init__(self, *replies: Document | BaseException, limits: WriteLimits | None = None):
        self.replies = list(replies)
        self.commands: list[Command] = []
        self.sessions: list[SessionLike | None] = []
        self.killed: list[tuple[Address | None, str, str, int]] = []
        self._limits = limits or WriteLimits()

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        self.commands.append(command)
        self.sessions.append(session)
        reply = self.replies.pop(0) if self.replies else {"ok": 1.0}
        if isinstance(reply, BaseException):
            raise reply
        check_reply(reply)
        return Reply(reply, HOME)

    def limits(self) -> WriteLimits:
        return self._limits

    def as_one_operation(self) -> AbstractContextManager[None]:
        return nullcontext()

    def timeout_of_caller(self) -> float | None:
        return None

    def new_operation_id(self) -> int:
        return 1

    def kill_cursor_later(self, command: Command) -> None:
        body = command.body
        self.killed.append((command.address, command.db, body["killCursors"], body["cursors"][0]))

    @property
    def bodies(self) -> list[Document]:
        """What was sent, as documents."""
        return [command.body for command in self.commands]


def cursor_reply(
    cursor_id: int, documents: Iterable[Any], *, first: bool = True, ns: str = "db.c"
) -> Document:
    """Return a reply that carries one batch."""
    name = "firstBatch" if first else "nextBatch"
    return {"cursor": {"id": cursor_id, name: list(documents), "ns": ns}, "ok": 1.0}


def fake_database(executor: FakeExecutor, **options: Any) -> Database[dict[str, Any]]:
    """Return a database whose commands go to `executor`. Nothing connects."""
    client: MongoClient[dict[str, Any]] = MongoClient(connect=False)
    database: Database[dict[str, Any]] = Database(client, "db", **options)
    database._executor = executor
    return database


def fake_collection(executor: FakeExecutor, **options: Any) -> Collection[dict[str, Any]]:
    """Return a collection whose commands go to `executor`."""
    return Collection(fake_database(executor), "c", **options)
