"""Search indexes: the commands that are sent, and what is made of the replies."""

from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.son import SON
from pymongo.errors import OperationFailure
from pymongo.operations import SearchIndexModel
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from tests.support.fake_executor import FakeExecutor, cursor_reply, fake_collection

DYNAMIC = {"mappings": {"dynamic": True}}
NO_COLLECTION = OperationFailure("ns not found", 26, {"code": 26})


def collection(executor: FakeExecutor) -> Any:
    # None of its options is sent along.
    return fake_collection(executor).with_options(
        CodecOptions(SON), ReadPreference.SECONDARY, WriteConcern(3), ReadConcern("majority")
    )


def test_indexes_are_created_and_named_by_the_server() -> None:
    executor = FakeExecutor({"indexesCreated": [{"name": "a"}, {"name": "default"}], "ok": 1.0})
    names = collection(executor).create_search_indexes(
        [SearchIndexModel(DYNAMIC, "a"), SearchIndexModel(DYNAMIC, type="vectorSearch")],
        comment="why",
        maxTimeMS=5,
    )
    assert names == ["a", "default"]
    assert executor.bodies == [
        {
            "createSearchIndexes": "c",
            "indexes": [
                {"name": "a", "definition": DYNAMIC},
                {"type": "vectorSearch", "definition": DYNAMIC},
            ],
            "maxTimeMS": 5,
            "comment": "why",
        }
    ]


@pytest.mark.parametrize(
    "model", [{"definition": DYNAMIC, "name": "a"}, SearchIndexModel(DYNAMIC, "a")]
)
def test_one_index_may_be_given_as_a_mapping(model: Any) -> None:
    executor = FakeExecutor({"indexesCreated": [{"name": "a"}], "ok": 1.0})

    assert collection(executor).create_search_index(model) == "a"
    assert executor.bodies[0]["indexes"] == [{"name": "a", "definition": DYNAMIC}]


def test_only_models_are_taken() -> None:
    executor = FakeExecutor()
    with pytest.raises(TypeError, match=r"not an instance of .*SearchIndexModel"):
        collection(executor).create_search_indexes([DYNAMIC])
    assert executor.commands == []


def test_an_index_is_updated_and_dropped_by_its_name() -> None:
    executor = FakeExecutor()
    c = collection(executor)
    c.update_search_index("a", DYNAMIC, comment=1)
    c.drop_search_index("a")

    assert executor.bodies == [
        {"updateSearchIndex": "c", "name": "a", "definition": DYNAMIC, "comment": 1},
        {"dropSearchIndex": "c", "name": "a"},
    ]


def test_where_there_is_no_collection_there_is_nothing_to_drop() -> None:
    c = collection(FakeExecutor(NO_COLLECTION, NO_COLLECTION))
    c.drop_search_index("a")
    c.update_search_index("a", DYNAMIC)
    c = collection(FakeExecutor(OperationFailure("no such index", 27, {"code": 27})))
    with pytest.raises(OperationFailure, match="no such index"):
        c.drop_search_index("a")


@pytest.mark.parametrize(("name", "stage"), [(None, {}), ("a", {"name": "a"})])
def test_indexes_are_listed_by_a_pipeline(name: str | None, stage: Any) -> None:
    executor = FakeExecutor(cursor_reply(0, [{"name": "a"}]))
    found = collection(executor).list_search_indexes(name, batchSize=2)

    assert list(found) == [{"name": "a"}]
    (command,) = executor.commands
    assert command.body == {
        "aggregate": "c",
        "pipeline": [{"$listSearchIndexes": stage}],
        "cursor": {"batchSize": 2},
    }
    assert command.read_preference == ReadPreference.PRIMARY
