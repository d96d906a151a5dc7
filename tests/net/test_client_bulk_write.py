"""MongoClient.bulk_write against a scripted MongoDB 8.0, through both drivers and every door.

The tests `test_prose_N_...` are those of the CRUD specification, `source/crud/tests/README.md`,
with small limits. 13 is of automatic encryption, which there is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne, monitoring
from pymongo.errors import (
    AutoReconnect,
    ClientBulkWriteException,
    ConfigurationError,
    DocumentTooLarge,
    InvalidOperation,
    OperationFailure,
)
from pymongo.write_concern import WriteConcern

from greenmongo.errors import written_before
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Answer, Received, ScriptedServer, hang_up
from tests.support.listeners import Recorder

BATCH, SIZE, MESSAGE = 50, 10_000, 30_000
UNACKNOWLEDGED = WriteConcern(w=0)


class Deployment:
    """Knows of documents by `_id` alone, and answers `bulkWrite` as MongoDB 8.0 does."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.ids: set[Any] = set()
        self.first_batch = 1_000
        """How many results come with the reply; the rest is for getMore."""
        self.more: dict[str, Any] = {}
        """What every reply has besides."""
        self._rest: list[Any] = []
        server.hello.update(
            maxWireVersion=25,
            maxWriteBatchSize=BATCH,
            maxBsonObjectSize=SIZE,
            maxMessageSizeBytes=MESSAGE,
        )
        server.on("bulkWrite", self.bulk_write)
        server.on("getMore", self.get_more)

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The bulkWrite commands so far."""
        return [received.document for received in self.server.commands("bulkWrite")]

    def bulk_write(self, received: Received) -> dict[str, Any]:
        command = received.document
        counts: dict[str, int] = dict.fromkeys(
            ("nInserted", "nUpserted", "nMatched", "nModified", "nDeleted"), 0
        )
        results: list[dict[str, Any]] = []
        for place, op in enumerate(command["ops"]):
            outcome = self._apply(op, counts)
            results.append({"ok": 1.0, "idx": place, **outcome})
            if command["ordered"] and not outcome.get("ok", 1.0):
                break
        failed = [each for each in results if not each["ok"]]
        told = failed if command["errorsOnly"] else results
        first, self._rest = told[: self.first_batch], told[self.first_batch :]
        cursor = {"id": 77 if self._rest else 0, "firstBatch": first, "ns": "admin.$cmd.bulkWrite"}
        return {"cursor": cursor, "nErrors": len(failed), **counts, **self.more}

    def get_more(self, received: Received) -> dict[str, Any]:
        batch, self._rest = self._rest, []
        return {"cursor": {"id": 0, "nextBatch": batch, "ns": "admin.$cmd.bulkWrite"}}

    def _apply(self, op: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
        if "insert" in op:
            given = op["document"]["_id"]
            if given in self.ids:
                return {"ok": 0.0, "code": 11000, "errmsg": "duplicate", "n": 0}
            self.ids.add(given)
            counts["nInserted"] += 1
            return {"n": 1}
        given = op["filter"].get("_id")
        if "delete" in op:
            found = given in self.ids
            self.ids.discard(given)
            counts["nDeleted"] += found
            return {"n": int(found)}
        if given in self.ids:
            counts["nMatched"] += 1
            counts["nModified"] += 1
            return {"n": 1, "nModified": 1}
        if not op.get("upsert"):
            return {"n": 0, "nModified": 0}
        self.ids.add(given)
        counts["nUpserted"] += 1
        return {"n": 1, "nModified": 0, "upserted": {"_id": given}}


@pytest.fixture
def deployment(scripted_server: ScriptedServer) -> Deployment:
    return Deployment(scripted_server)


@pytest.fixture(params=["ours", "pymongo"])
def connect_either(request: pytest.FixtureRequest, connect_through: Connect) -> Iterator[Connect]:
    """Open a client of either driver that has seen its server; ours through every door."""
    opened: list[Any] = []

    def connect(uri: str, **options: Any) -> Any:
        if request.param == "ours":
            client: Any = connect_through(uri, **options)
        else:
            client = pymongo.MongoClient(uri, **{"retryWrites": False, **options})
            opened.append(client)
        client.admin.command("ping")
        return client

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def client(deployment: Deployment, connect_either: Connect) -> Any:
    return connect_either(deployment.server.uri)


def errors_of(error: ClientBulkWriteException) -> list[Any]:
    """Return the errors of operations; PyMongo's documents are not of the class it declares."""
    return list(error.write_errors or ())


def inserts(count: int, namespace: str = "db.c") -> list[Any]:
    return [InsertOne({"_id": n}, namespace=namespace) for n in range(count)]


# ---- the prose tests ----------------------------------------------------------------------------


def test_prose_3_more_operations_than_a_batch_has_are_split(
    deployment: Deployment, connect_either: Connect
) -> None:
    recorder = Recorder("commands")
    client = connect_either(deployment.server.uri, event_listeners=recorder.listeners)
    result = client.bulk_write([InsertOne({"a": "b"}, namespace="db.c") for _ in range(BATCH + 1)])
    assert result.inserted_count == BATCH + 1
    events = [
        event
        for event in recorder.of(monitoring.CommandStartedEvent)
        if event.command_name == "bulkWrite"
    ]
    assert [len(event.command["ops"]) for event in events] == [BATCH, 1]
    assert events[0].operation_id == events[1].operation_id


def test_prose_4_a_message_that_would_be_too_long_is_split(
    deployment: Deployment, client: Any
) -> None:
    models = [InsertOne({"a": "b" * (SIZE - 500)}, namespace="db.c") for _ in range(4)]
    assert client.bulk_write(models).inserted_count == 4
    assert [len(command["ops"]) for command in deployment.commands] == [3, 1]


def test_prose_5_write_concern_errors_of_all_batches_are_collected(
    deployment: Deployment, client: Any
) -> None:
    deployment.more = {"writeConcernError": {"code": 91, "errmsg": "shutting down"}}
    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(inserts(BATCH + 1))
    assert len(caught.value.write_concern_errors or ()) == 2
    assert caught.value.partial_result is not None
    assert caught.value.partial_result.inserted_count == BATCH + 1
    assert len(deployment.commands) == 2


@pytest.mark.parametrize(("ordered", "errors", "messages"), [(False, BATCH + 1, 2), (True, 1, 1)])
def test_prose_6_errors_of_operations_are_collected_unless_they_are_in_order(
    deployment: Deployment, client: Any, ordered: bool, errors: int, messages: int
) -> None:
    deployment.ids.add(1)
    models = [InsertOne({"_id": 1}, namespace="db.c")] * (BATCH + 1)
    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(models, ordered=ordered)
    assert [error["idx"] for error in errors_of(caught.value)] == list(range(errors))
    assert len(deployment.commands) == messages


UPSERTS = [
    UpdateOne({"_id": name}, {"$set": {"x": 1}}, upsert=True, namespace="db.c") for name in "ab"
]


def test_prose_7_results_that_come_later_are_fetched(deployment: Deployment, client: Any) -> None:
    deployment.first_batch = 1
    result = client.bulk_write(UPSERTS, verbose_results=True)
    assert result.upserted_count == len(result.update_results) == 2
    assert [result.update_results[at].upserted_id for at in range(2)] == ["a", "b"]
    (more,) = deployment.server.commands("getMore")
    assert more.document["collection"] == "$cmd.bulkWrite"


def test_prose_8_they_are_in_a_transaction_too(
    deployment: Deployment, connect_either: Connect
) -> None:
    deployment.server.hello.update(
        setName="rs", hosts=[deployment.server.host], primary=deployment.server.host
    )
    for name in ("commitTransaction", "abortTransaction"):
        deployment.server.on(name, {})
    deployment.first_batch = 1
    client = connect_either(deployment.server.uri)
    with client.start_session() as session, session.start_transaction():
        result = client.bulk_write(UPSERTS, session=session, verbose_results=True)
        with pytest.raises(InvalidOperation, match="Cannot set write concern"):
            client.bulk_write(UPSERTS, session=session, write_concern=WriteConcern(w=1))
    assert result.upserted_count == len(result.update_results) == 2
    (write,), (more,) = (deployment.server.commands(name) for name in ("bulkWrite", "getMore"))
    assert write.document["startTransaction"] is True
    for each in (write, more):
        assert each.document["autocommit"] is False
        assert each.document["txnNumber"] == write.document["txnNumber"]
        assert "writeConcern" not in each.document


def test_prose_9_a_get_more_that_fails_is_told_with_what_was_written(
    deployment: Deployment, client: Any
) -> None:
    deployment.first_batch = 1
    deployment.server.on("getMore", {"ok": 0.0, "code": 8, "errmsg": "no"})
    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(UPSERTS, verbose_results=True)
    assert caught.value.error is not None
    assert caught.value.error["code"] == 8
    partial = caught.value.partial_result
    assert partial is not None
    assert (partial.upserted_count, len(partial.update_results)) == (2, 1)
    deployment.server.wait_for(lambda: deployment.server.count("killCursors") == 1)


@pytest.mark.parametrize("namespace", ["db.coll", "db." + "c" * 200])
def test_prose_11_a_new_namespace_counts_for_the_length_of_the_message(
    deployment: Deployment, client: Any, namespace: str
) -> None:
    count, rest = divmod(MESSAGE - 1_122, SIZE)
    models = [InsertOne({"a": "b" * (SIZE - 57)}, namespace="db.coll") for _ in range(count)]
    if rest >= 217:
        models.append(InsertOne({"a": "b" * (rest - 57)}, namespace="db.coll"))
    count = len(models)
    models.append(InsertOne({"a": "b"}, namespace=namespace))
    assert client.bulk_write(models).inserted_count == count + 1
    seen = [(len(command["ops"]), command["nsInfo"]) for command in deployment.commands]
    if namespace == "db.coll":
        assert seen == [(count + 1, [{"ns": "db.coll"}])]
    else:
        assert seen == [(count, [{"ns": "db.coll"}]), (1, [{"ns": namespace}])]


@pytest.mark.parametrize(
    "model",
    [
        InsertOne({"a": "b" * MESSAGE}, namespace="db.coll"),
        InsertOne({"a": "b"}, namespace="db." + "c" * MESSAGE),
    ],
)
def test_prose_12_an_operation_that_fits_in_no_message_is_an_error(
    deployment: Deployment, client: Any, model: Any
) -> None:
    with pytest.raises(DocumentTooLarge):
        client.bulk_write([model])
    assert deployment.commands == []


def test_prose_15_all_batches_of_an_unacknowledged_write_are_unacknowledged(
    deployment: Deployment, client: Any
) -> None:
    models = [InsertOne({"a": "b" * (SIZE - 500)}, namespace="db.c") for _ in range(4)]
    result = client.bulk_write(models, ordered=False, write_concern=UNACKNOWLEDGED)
    assert not result.acknowledged
    client.admin.command("ping")
    assert [len(command["ops"]) for command in deployment.commands] == [3, 1]
    assert [command["writeConcern"] for command in deployment.commands] == [{"w": 0}] * 2


def test_prose_16_an_id_that_was_made_comes_first(
    deployment: Deployment, connect_through: Connect
) -> None:
    client = connect_through(deployment.server.uri)
    client.db.c.insert_one({"x": 1})
    client.db.c.bulk_write([InsertOne({"x": 1})])
    client.bulk_write([InsertOne({"x": 1}, namespace="db.c")])
    sent = [each.document["documents"][0] for each in deployment.server.commands("insert")]
    sent.append(deployment.commands[0]["ops"][0]["document"])
    assert [list(document) for document in sent] == [["_id", "x"]] * 3


# ---- what else there is to it --------------------------------------------------------------------


def test_the_command_is_what_pymongo_sends(deployment: Deployment, client: Any) -> None:
    client.bulk_write(
        [
            InsertOne({"_id": 1}, namespace="db.a"),
            UpdateOne({"_id": 1}, {"$set": {"x": 1}}, True, hint="_id_", namespace="db.b"),
            UpdateMany({}, [{"$set": {"x": 1}}], collation={"locale": "en"}, namespace="db.a"),
            UpdateOne({}, {"$set": {"x.$[i]": 1}}, array_filters=[{"i": 1}], namespace="db.a"),
            ReplaceOne({"_id": 1}, {"y": 1}, namespace="db.c"),
            DeleteOne({"_id": 1}, hint=[("_id", 1)], namespace="db.b"),
            DeleteMany({"_id": 2}, namespace="db.a"),
        ],
        ordered=False,
        verbose_results=True,
        bypass_document_validation=True,
        comment="why",
        let={"a": 1},
        write_concern=WriteConcern(w=2),
    )
    (command,) = deployment.commands
    assert command["ops"] == [
        {"insert": 0, "document": {"_id": 1}},
        {
            "update": 1,
            "filter": {"_id": 1},
            "updateMods": {"$set": {"x": 1}},
            "multi": False,
            "upsert": True,
            "hint": "_id_",
        },
        {
            "update": 0,
            "filter": {},
            "updateMods": [{"$set": {"x": 1}}],
            "multi": True,
            "collation": {"locale": "en"},
        },
        {
            "update": 0,
            "filter": {},
            "updateMods": {"$set": {"x.$[i]": 1}},
            "multi": False,
            "arrayFilters": [{"i": 1}],
        },
        {"update": 2, "filter": {"_id": 1}, "updateMods": {"y": 1}, "multi": False},
        {"delete": 1, "filter": {"_id": 1}, "multi": False, "hint": {"_id": 1}},
        {"delete": 0, "filter": {"_id": 2}, "multi": True},
    ]
    assert command["nsInfo"] == [{"ns": "db.a"}, {"ns": "db.b"}, {"ns": "db.c"}]
    del command["ops"], command["nsInfo"], command["lsid"]
    assert command == {
        "bulkWrite": 1,
        "errorsOnly": False,
        "ordered": False,
        "bypassDocumentValidation": True,
        "comment": "why",
        "let": {"a": 1},
        "writeConcern": {"w": 2},
        "$db": "admin",
    }


def test_verbose_results_tell_of_every_operation(deployment: Deployment, client: Any) -> None:
    result = client.bulk_write(
        [
            InsertOne({"_id": 1}, namespace="db.c"),
            InsertOne(RawBSONDocument(b"\x0e\0\0\0\x10_id\0\x07\0\0\0\0"), namespace="db.c"),
            UpdateOne({"_id": 1}, {"$set": {"x": 1}}, namespace="db.c"),
            UpdateOne({"_id": 2}, {"$set": {"x": 1}}, upsert=True, namespace="db.c"),
            DeleteOne({"_id": 1}, namespace="db.c"),
        ],
        verbose_results=True,
    )
    assert {at: each.inserted_id for at, each in result.insert_results.items()} == {0: 1, 1: 7}
    facts = {
        at: (each.matched_count, each.modified_count, each.upserted_id)
        for at, each in result.update_results.items()
    }
    assert facts == {2: (1, 1, None), 3: (1, 0, 2)}
    assert {at: each.deleted_count for at, each in result.delete_results.items()} == {4: 1}
    assert (result.inserted_count, result.matched_count, result.deleted_count) == (2, 1, 1)


def test_errors_quote_their_operation_by_its_number(deployment: Deployment, client: Any) -> None:
    deployment.ids.add(BATCH + 1)
    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(inserts(BATCH + 3))
    (error,) = errors_of(caught.value)
    assert error["idx"] == BATCH + 1
    assert error["op"] == {"insert": 0, "document": {"_id": BATCH + 1}}
    assert caught.value.partial_result is not None
    assert caught.value.partial_result.inserted_count == BATCH + 1


@pytest.mark.parametrize(
    ("error", "act"),
    [
        (InvalidOperation, lambda c: c.bulk_write([])),
        (TypeError, lambda c: c.bulk_write(5)),
        (TypeError, lambda c: c.bulk_write([{}])),
        (InvalidOperation, lambda c: c.bulk_write([InsertOne({})])),
        (TypeError, lambda c: c.bulk_write([DeleteOne({}, namespace="a.b")], let=5)),
        (InvalidOperation, lambda c: c.bulk_write(inserts(1), write_concern=UNACKNOWLEDGED)),
        (
            InvalidOperation,
            lambda c: c.bulk_write(
                inserts(1), ordered=False, verbose_results=True, write_concern=UNACKNOWLEDGED
            ),
        ),
        (
            OperationFailure,
            lambda c: c.bulk_write(
                inserts(1),
                ordered=False,
                bypass_document_validation=True,
                write_concern=UNACKNOWLEDGED,
            ),
        ),
        (
            ConfigurationError,
            lambda c: c.bulk_write(
                [DeleteOne({}, collation={"locale": "en"}, namespace="a.b")],
                ordered=False,
                write_concern=UNACKNOWLEDGED,
            ),
        ),
        (
            DocumentTooLarge,
            lambda c: c.bulk_write(
                [InsertOne({"x": "y" * (SIZE + 1)}, namespace="a.b")],
                ordered=False,
                write_concern=UNACKNOWLEDGED,
            ),
        ),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(
    deployment: Deployment, client: Any, error: type[Exception], act: Callable[[Any], Any]
) -> None:
    with pytest.raises(error):
        act(client)
    assert deployment.commands == []


@pytest.mark.parametrize("concern", [None, UNACKNOWLEDGED])
def test_older_servers_are_refused(
    deployment: Deployment, connect_either: Connect, concern: WriteConcern | None
) -> None:
    deployment.server.hello["maxWireVersion"] = 24
    client = connect_either(deployment.server.uri)
    with pytest.raises(InvalidOperation) as caught:
        client.bulk_write(inserts(1), ordered=False, write_concern=concern)
    assert str(caught.value) == "MongoClient.bulk_write requires MongoDB server version 8.0+."
    assert deployment.commands == []


def test_an_error_of_the_command_is_in_the_exception(deployment: Deployment, client: Any) -> None:
    deployment.server.on("bulkWrite", {"ok": 0.0, "code": 13, "errmsg": "not allowed"})
    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(inserts(1))
    assert isinstance(caught.value.error, OperationFailure)
    assert caught.value.partial_result is None


def test_a_connection_that_breaks_is_told_with_what_was_written(
    deployment: Deployment, client: Any
) -> None:
    deployment.server.script(
        "bulkWrite", deployment.bulk_write, Answer(manner=hang_up), Answer(manner=hang_up)
    )
    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(inserts(BATCH + 1))
    assert isinstance(caught.value.error, AutoReconnect)
    assert caught.value.partial_result is not None
    assert caught.value.partial_result.inserted_count == BATCH


@pytest.mark.parametrize("model", [DeleteMany({}, namespace="db.c"), None])
def test_each_message_is_sent_again_that_may_be(
    deployment: Deployment, connect_through: Connect, model: Any
) -> None:
    deployment.server.hello.update(
        setName="rs", hosts=[deployment.server.host], primary=deployment.server.host
    )
    client = connect_through(deployment.server.uri, retryWrites=True)
    client.admin.command("ping")
    deployment.server.script("bulkWrite", deployment.bulk_write, Answer(manner=hang_up))
    models = inserts(BATCH + 1) if model is None else [*inserts(BATCH), model]
    if model is None:
        assert client.bulk_write(models).inserted_count == BATCH + 1
        numbers = [command["txnNumber"] for command in deployment.commands]
        assert numbers[1] == numbers[2] == numbers[0] + 1
    else:
        with pytest.raises(ClientBulkWriteException):
            client.bulk_write(models)
        assert [("txnNumber" in command) for command in deployment.commands] == [True, False]


def test_operations_that_come_one_after_another_are_sent_as_they_come(
    deployment: Deployment, connect_through: Connect
) -> None:
    deployment.server.hello.update(maxWriteBatchSize=100_000, maxMessageSizeBytes=48_000_000)
    client = connect_through(deployment.server.uri)
    client.admin.command("ping")
    deployment.ids.add(20_001)
    taken, told = [], []

    def models() -> Iterator[Any]:
        for model in inserts(30_000):
            taken.append(model)
            yield model

    with pytest.raises(ClientBulkWriteException) as caught:
        client.bulk_write(models(), on_progress=lambda *it: told.append((*it, len(taken))))
    assert errors_of(caught.value)[0]["idx"] == 20_001
    assert told == [(10_000, None, 10_000), (20_000, None, 20_000), (20_002, None, 30_000)]
    written = written_before(caught.value)
    assert written is not None
    assert written["nInserted"] == 20_001


@pytest.mark.parametrize("outcome", [{"ok": 1, "idx": "x"}, {"ok": 1, "idx": 7}, {"ok": 1}])
def test_results_that_make_no_sense_are_refused(
    deployment: Deployment, connect_through: Connect, outcome: dict[str, Any]
) -> None:
    cursor = {"id": 0, "firstBatch": [outcome], "ns": "admin.$cmd.bulkWrite"}
    deployment.server.on("bulkWrite", {"cursor": cursor, "nInserted": 1, "nErrors": 0})
    client = connect_through(deployment.server.uri)
    with pytest.raises(ClientBulkWriteException, match="batch op errors"):
        client.bulk_write(inserts(1))
