"""Codecs, document classes and time zones of the user's run in the caller's place."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import pytest
from bson.codec_options import CodecOptions, TypeCodec, TypeRegistry
from bson.decimal128 import Decimal128

import bridge
from greenmongo import MongoClient
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import ScriptedServer

seen: ContextVar[str] = ContextVar("seen", default="nobody's")


class Noting:
    """Notes where it was called: the thread, and the context variable there."""

    def __init__(self) -> None:
        self.places: set[tuple[int, str]] = set()

    def note(self) -> None:
        self.places.add((threading.get_ident(), seen.get()))


class NotingCodec(TypeCodec):
    @property
    def python_type(self) -> type[Decimal]:
        return Decimal

    @property
    def bson_type(self) -> type[Decimal128]:
        return Decimal128

    def __init__(self, noting: Noting) -> None:
        self._noting = noting

    def transform_python(self, value: Any) -> Any:
        self._noting.note()
        return Decimal128(value)

    def transform_bson(self, value: Any) -> Any:
        self._noting.note()
        return value.to_decimal()


class NotingZone(tzinfo):
    """UTC, by a class of the user's."""

    def __init__(self, noting: Noting) -> None:
        self._noting = noting

    def utcoffset(self, dt: datetime | None) -> timedelta:
        self._noting.note()
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "noted"

    def fromutc(self, dt: datetime) -> datetime:
        self._noting.note()
        return dt


def codec(noting: Noting) -> CodecOptions[Any]:
    return CodecOptions(type_registry=TypeRegistry([NotingCodec(noting)]))


def document_class(noting: Noting) -> CodecOptions[Any]:
    class Document(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            noting.note()
            super().__setitem__(key, value)

    return CodecOptions(document_class=Document)


def zone(noting: Noting) -> CodecOptions[Any]:
    return CodecOptions(tz_aware=True, tzinfo=NotingZone(noting))


KINDS = [codec, document_class, zone]


def documents(count: int, options: CodecOptions[Any]) -> list[dict[str, Any]]:
    value: Any = {"when": datetime(2026, 1, 2), "padding": "x" * 200}
    if options.type_registry != TypeRegistry():
        value["amount"] = Decimal("1.5")
    return [{"_id": i, **value} for i in range(count)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3000])
def test_a_thread_runs_its_own(
    scripted_server: ScriptedServer,
    client_of: Connect,
    kind: Callable[[Noting], CodecOptions[Any]],
    count: int,
) -> None:
    """F03: a codec, a document class or a time zone sees the caller's thread and variables."""
    noting = Noting()
    client: MongoClient[Any] = client_of(scripted_server.uri)
    options = kind(noting)
    things = client.db.get_collection("things", codec_options=options)
    token = seen.set("the caller's")
    try:
        things.insert_many(documents(count, options))
        assert len(things.find().to_list()) == count
        assert things.find_one() is not None
    finally:
        seen.reset(token)
    assert noting.places == {(threading.get_ident(), "the caller's")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3000])
def test_a_task_runs_its_own_on_its_loop(
    scripted_server: ScriptedServer, kind: Callable[[Noting], CodecOptions[Any]], count: int
) -> None:
    """F03: likewise those of a task."""
    noting = Noting()
    options = kind(noting)

    async def main() -> None:
        async with bridge.AsyncMongoClient[Any](scripted_server.uri) as client:
            things = client.db.get_collection("things", codec_options=options)
            await client.admin.command("ping")
            seen.set("the task's")
            await things.insert_many(documents(count, options))
            assert len(await things.find().to_list()) == count
            assert await things.find_one() is not None

    asyncio.run(main())
    assert noting.places == {(threading.get_ident(), "the task's")}


def test_a_decoder_that_sleeps_keeps_nobody_else_waiting(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    asked, others_had_their_turn = threading.Event(), threading.Event()
    waited: list[bool] = []

    class Slow(NotingCodec):
        def transform_bson(self, value: Any) -> Any:
            asked.set()
            waited.append(others_had_their_turn.wait(10))
            return value

    client: MongoClient[Any] = client_of(scripted_server.uri)
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([Slow(Noting())]))
    things = client.db.get_collection("things", codec_options=options)
    things.insert_one({"_id": 1, "amount": Decimal("1.5")})
    reader = threading.Thread(target=things.find_one)
    reader.start()
    assert asked.wait(10)
    client.admin.command("ping")
    others_had_their_turn.set()
    reader.join(10)
    assert waited == [True]


class NotingMapping(Mapping[str, Any]):
    """A document with methods of its own."""

    def __init__(self, noting: Noting) -> None:
        self._noting = noting

    def __getitem__(self, key: str) -> Any:
        self._noting.note()
        return {"x": 1}[key]

    def __iter__(self) -> Iterator[str]:
        self._noting.note()
        return iter(["x"])

    def __len__(self) -> int:
        return 1


def test_documents_of_the_users_inside_of_a_command_are_encoded_in_the_callers_place(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    noting = Noting()
    mine = NotingMapping(noting)
    query: Any = {"a": [{"b": mine}]}
    client = client_of(scripted_server.uri)
    seen.set("the caller's")
    client.db.c.find_one(query)
    client.db.c.update_one({"_id": 1}, {"$set": {"part": mine}})
    client.db.command("whoami", argument=[mine])

    async def ask() -> None:
        face = bridge.AsyncMongoClient.from_client(client)
        await face.db.c.find_one(query)
        await face.db.c.delete_one({"part": mine})

    asyncio.run(ask())
    assert noting.places == {(threading.get_ident(), "the caller's")}
    assert len(scripted_server.commands("find")) == 2
