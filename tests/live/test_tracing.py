"""Spans for OpenTelemetry: what is in them, whose they are inside, and where they are made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pymongo.errors import OperationFailure

from bridge import AsyncMongoClient
from greenmongo import DeleteOne, InsertOne, MongoClient, UpdateOne
from tests.support.fix_hub import run_program
from tests.support.fix_loops import eventually

pytestmark = pytest.mark.live

DB = "traced"
ENABLED = "OTEL_PYTHON_INSTRUMENTATION_MONGODB_ENABLED"
TEXT_LENGTH = "OTEL_PYTHON_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH"


class Spans(SpanProcessor):
    """Keeps spans, and which threads started and ended them."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.provider.add_span_processor(self)
        self.threads: set[int] = set()

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.threads.add(threading.get_ident())

    def on_end(self, span: ReadableSpan) -> None:
        self.threads.add(threading.get_ident())

    @property
    def option(self) -> dict[str, Any]:
        return {"enabled": True, "tracer_provider": self.provider}

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def tree(self) -> list[Any]:
        """Return the names, each with those of the spans within it."""
        ended = self.ended
        known = {span.context.span_id for span in ended if span.context is not None}

        def within(parent: int | None) -> list[Any]:
            found: list[Any] = []
            for span in ended:
                above = span.parent.span_id if span.parent is not None else None
                if (above if above in known else None) != parent:
                    continue
                assert span.context is not None
                inner = within(span.context.span_id)
                found.append((span.name, inner) if inner else span.name)
            return found

        return within(None)

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.ended if span.name == name]
        return found


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def client(mongo_uri: str, spans: Spans) -> Iterator[MongoClient[Any]]:
    with MongoClient[Any](mongo_uri) as plain:
        plain.drop_database(DB)
        plain[DB].create_collection("things")
    with MongoClient[Any](mongo_uri, tracing=spans.option) as made:
        yield made


@pytest.fixture
def plain(client: MongoClient[Any], mongo_uri: str) -> Iterator[MongoClient[Any]]:
    """A client beside it that does not trace."""
    with MongoClient[Any](mongo_uri) as made:
        yield made


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_an_operation_is_within_the_callers_span(client: MongoClient[Any], spans: Spans) -> None:
    with spans.provider.get_tracer("application").start_as_current_span("request"):
        client[DB].things.insert_one({"x": 1})
    insert = (f"insert {DB}.things", ["insert"])
    assert spans.tree() == [("request", [insert])]
    shown = attributes(spans.named("insert"))
    assert shown["db.command.name"] == "insert"
    assert shown["db.collection.name"] == "things"
    assert "db.query.text" not in shown


def test_of_a_task_it_is_within_that_tasks_span(mongo_uri: str, spans: Spans) -> None:
    async def main() -> None:
        tracer = spans.provider.get_tracer("application")

        async def request(client: AsyncMongoClient[Any], number: int) -> None:
            with tracer.start_as_current_span(f"request {number}"):
                await client[DB].things.find_one({"n": number})

        async with AsyncMongoClient[Any](mongo_uri, tracing=spans.option) as client:
            await asyncio.gather(*(request(client, number) for number in range(20)))

    asyncio.run(main())
    find = (f"find {DB}.things", ["find"])
    tree = sorted(spans.tree())
    assert tree == sorted((f"request {number}", [find]) for number in range(20))
    # Neither the sampler nor a processor ever runs on the hub thread.
    assert spans.threads == {threading.get_ident()}


def test_a_refusal_is_recorded_with_its_code(client: MongoClient[Any], spans: Spans) -> None:
    with pytest.raises(OperationFailure):
        client[DB].command("no_such_command")
    assert spans.tree() == [(f"runCommand {DB}", ["no_such_command"])]
    command = attributes(spans.named("no_such_command"))
    assert (command["db.response.status_code"], command["error.type"]) == ("59", "59")
    operation = spans.named(f"runCommand {DB}")
    assert attributes(operation)["exception.type"] == "pymongo.errors.OperationFailure"
    assert not operation.status.is_ok
    assert "error.type" not in attributes(operation)


def test_each_retry_has_a_span_of_its_own(
    mongo_uri: str, plain: MongoClient[Any], spans: Spans
) -> None:
    plain.admin.command(
        "configureFailPoint",
        "failCommand",
        mode={"times": 1},
        data={"failCommands": ["find"], "errorCode": 91, "appName": "traced"},
    )
    try:
        with MongoClient[Any](mongo_uri, tracing=spans.option, appname="traced") as named:
            named[DB].things.find_one()
    finally:
        plain.admin.command("configureFailPoint", "failCommand", mode="off")
    assert spans.tree() == [(f"find {DB}.things", ["find", "find"])]


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([InsertOne({"_id": 1}), InsertOne({"_id": 2})], ("insert", ["insert"])),
        (
            [InsertOne({"_id": 1}), UpdateOne({"_id": 1}, {"$set": {"x": 1}}), DeleteOne({})],
            ("bulkWrite", ["insert", "update", "delete"]),
        ),
    ],
)
def test_a_bulk_write_is_one_operation(
    client: MongoClient[Any], spans: Spans, requests: list[Any], expected: tuple[str, list[str]]
) -> None:
    client[DB].things.bulk_write(requests)
    name, commands = expected
    assert spans.tree() == [(f"{name} {DB}.things", commands)]


def test_a_stream_of_documents_is_one_operation(client: MongoClient[Any], spans: Spans) -> None:
    client[DB].things.insert_many({"n": n} for n in range(20_001))
    assert spans.tree() == [(f"insert {DB}.things", ["insert"] * 3)]


def test_a_bulk_write_that_fails_says_so_once(client: MongoClient[Any], spans: Spans) -> None:
    things = client[DB].things
    with pytest.raises(OperationFailure):
        things.insert_many([{"_id": 1}, {"_id": 1}])
    operation = spans.named(f"insert {DB}.things")
    assert attributes(operation)["exception.type"] == "pymongo.errors.BulkWriteError"


def test_a_transaction_is_around_its_operations(client: MongoClient[Any], spans: Spans) -> None:
    with client.start_session() as session:
        with session.start_transaction():
            client[DB].things.insert_one({}, session=session)
        client[DB].things.find_one(session=session)
        session.start_transaction()
        client[DB].things.insert_one({}, session=session)
        session.abort_transaction()
    insert, find = (f"insert {DB}.things", ["insert"]), (f"find {DB}.things", ["find"])
    assert spans.tree() == [
        ("transaction", [insert, ("commitTransaction admin", ["commitTransaction"])]),
        find,
        ("transaction", [insert, ("abortTransaction admin", ["abortTransaction"])]),
    ]
    assert attributes(spans.ended[0]) == {"db.system.name": "mongodb"}


@pytest.mark.asyncio
async def test_a_task_that_leaves_ends_its_spans(
    mongo_uri: str, client: MongoClient[Any], spans: Spans
) -> None:
    async with AsyncMongoClient[Any](mongo_uri, tracing=spans.option) as traced:
        things = traced[DB].things
        client[DB].things.insert_one({})
        slow = asyncio.create_task(things.find_one({"$where": "sleep(30000) || true"}))
        await eventually(lambda: "find" in str(_running(client)))
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        await eventually(lambda: any(span.name == f"find {DB}.things" for span in spans.ended))
    # What the driver does to end it on the server is not the caller's.
    assert not {"killOp", "aggregate"} & {span.name for span in spans.ended}


def _running(client: MongoClient[Any]) -> Any:
    return client.admin.command("currentOp", {"ns": f"{DB}.things", "op": "query"})["inprog"]


def test_prose_1_tracing_is_enabled_and_disabled_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, mongo_uri: str, spans: Spans
) -> None:
    def found() -> int:
        before = len(spans.ended)
        with MongoClient[Any](mongo_uri, tracing={"tracer_provider": spans.provider}) as client:
            client[DB].things.find_one()
        return len(spans.ended) - before

    monkeypatch.setenv(ENABLED, "false")
    assert found() == 0
    monkeypatch.setenv(ENABLED, "true")
    assert found() == 2


def test_prose_2_the_environment_says_how_much_of_a_command_is_shown(
    monkeypatch: pytest.MonkeyPatch, mongo_uri: str, spans: Spans
) -> None:
    def texts() -> list[str | None]:
        before = len(spans.ended)
        with MongoClient[Any](mongo_uri, tracing={"tracer_provider": spans.provider}) as client:
            client[DB].things.find_one({"x": "y" * 100})
        new = spans.ended[before:]
        return [attributes(span).get("db.query.text") for span in new if span.name == "find"]

    monkeypatch.setenv(ENABLED, "true")
    monkeypatch.setenv(TEXT_LENGTH, "40")
    assert texts() == ['{"find": "things", "filter": {"x": "yyyy' + "..."]
    monkeypatch.delenv(TEXT_LENGTH)
    assert texts() == [None]


def test_prose_3_get_more_in_a_transaction_is_within_its_span(
    client: MongoClient[Any], plain: MongoClient[Any], spans: Spans
) -> None:
    plain[DB].things.insert_many([{}, {}, {}])

    def read(session: Any) -> None:
        assert len(client[DB].things.find(batch_size=2, session=session).to_list()) == 3

    with client.start_session() as session:
        session.with_transaction(read)
    ((name, operations),) = spans.tree()
    assert name == "transaction"
    assert operations[:2] == [
        (f"find {DB}.things", ["find"]),
        (f"getMore {DB}.things", ["getMore"]),
    ]


def test_prose_4_get_more_records_the_cursor_that_it_sent(
    client: MongoClient[Any], plain: MongoClient[Any], spans: Spans
) -> None:
    plain[DB].things.insert_many([{}, {}, {}])
    cursor = client[DB].things.find(batch_size=2)
    next(cursor)
    sent = cursor.cursor_id
    assert len(cursor.to_list()) == 2
    for name in (f"getMore {DB}.things", "getMore"):
        assert attributes(spans.named(name))["db.mongodb.cursor_id"] == sent
    assert attributes(spans.named(f"find {DB}.things"))["db.mongodb.cursor_id"] == sent


def test_without_tracing_opentelemetry_is_not_even_imported() -> None:
    done = run_program(
        "import sys, bridge, greenmongo; greenmongo.MongoClient(connect=False);"
        "print('opentelemetry' in sys.modules)"
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
