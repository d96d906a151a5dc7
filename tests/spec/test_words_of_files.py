"""Words of the specifications' files that no file of `data/` is needed for, or could be had for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo.errors import ClientBulkWriteException

from greenmongo import MongoClient
from greenmongo._core.options import ClientOptions
from tests.spec.cases import UnifiedCase, collect
from tests.spec.check_sdam import check_discovery
from tests.spec.check_seed_list import facts_of_uri
from tests.spec.conftest import OWN_DATA
from tests.spec.test_specifications import test_unified_specification as run_as_it_should_end
from tests.spec.unified.arguments import Arguments
from tests.spec.unified.expectations import check_error, matches_event
from tests.spec.unified.matching import Matcher
from tests.spec.unified.operations import OPERATIONS
from tests.spec.unified.outcomes import Mismatch, Unsupported
from tests.support.fix_scripted import ScriptedServer
from tests.support.loop_actor import AsyncioActor

NOTHING: dict[str, Any] = {}
REPLACING = {"replacement": {"x": 1}}
UPDATING = {"update": {"$set": {"x": 1}}}


@pytest.mark.parametrize(
    ("operation", "change"),
    [("findOneAndDelete", {}), ("findOneAndReplace", REPLACING), ("findOneAndUpdate", UPDATING)],
)
def test_options_of_find_and_modify_are_sent_by_their_own_names(
    scripted_server: ScriptedServer, operation: str, change: dict[str, Any]
) -> None:
    """D13: the methods have no parameter `bypass_document_validation`."""
    scripted_server.on("findAndModify", {"value": None})
    options = {"bypassDocumentValidation": False, "maxTimeMS": 5, "sort": {"x": 1}}
    with MongoClient[dict[str, Any]](scripted_server.uri) as client:
        perform = OPERATIONS["collection"][operation].perform
        perform(client.db.c, Arguments({"filter": {}, **change, **options}))
        with pytest.raises(Unsupported, match="rawData"):
            perform(client.db.c, Arguments({"filter": {}, **change, "rawData": True}))
    (sent,) = scripted_server.commands("findAndModify")
    assert {name: sent.document[name] for name in options} == options
    assert not {"bypass_document_validation", "max_time_ms"} & sent.document.keys()


def fail_with(error: Exception) -> None:
    def run(case: UnifiedCase) -> None:
        raise error

    (case, *_) = (case for case in collect(OWN_DATA).unified if case.must_fail)
    run_as_it_should_end(case, run)


def test_what_must_fail_may_fail_with_a_value_that_the_driver_refuses() -> None:
    """D13: PyMongo's classes for wrong arguments are TypeError and ValueError."""
    fail_with(ValueError("no such value"))
    fail_with(TypeError("no such type"))
    with pytest.raises(ZeroDivisionError):
        fail_with(ZeroDivisionError())


def test_the_database_of_a_uri_has_several_names() -> None:
    """D13: `parsed_options` of the seed list's files calls it `defaultDatabase`, too."""
    facts = facts_of_uri(ClientOptions.build("mongodb://me:it@host/home"))
    assert facts["user"] == "me"
    assert facts["defaultDatabase"] == facts["db"] == facts["auth_database"] == "home"


def test_a_possible_primary_of_an_event_is_an_unknown_server() -> None:
    """D13: only drivers that check one server after another tell the two apart."""
    (case,) = (case for case in collect(OWN_DATA).cases if "primary_named" in case.path)
    assert "PossiblePrimary" in str(case.document)
    check_discovery(case.document)
    (told,) = case.document["phases"][1]["outcome"]["events"][0].values()
    told["previousDescription"]["type"] = "RSOther"
    with pytest.raises(AssertionError, match="RSOther"):
        check_discovery(case.document)


def test_a_possible_primary_of_a_unified_event_is_an_unknown_server() -> None:
    """D13: the format's schema has this type for what an event tells of a server."""
    event = {
        "event": "serverDescriptionChangedEvent",
        "previousDescription": {"type": "Unknown"},
        "newDescription": {"type": "RSPrimary"},
    }
    nothing: dict[str, Any] = {}
    matcher = Matcher(nothing.__getitem__)

    def expected(before: str, after: str) -> dict[str, Any]:
        facts = {"previousDescription": {"type": before}, "newDescription": {"type": after}}
        return {"serverDescriptionChangedEvent": facts}

    assert matches_event(expected("PossiblePrimary", "RSPrimary"), event, matcher)
    assert not matches_event(expected("PossiblePrimary", "PossiblePrimary"), event, matcher)


def failed_bulk_write(**details: Any) -> ClientBulkWriteException:
    facts = {"error": None, "writeErrors": [], "writeConcernErrors": [], **details}
    return ClientBulkWriteException(facts, verbose=False)


@pytest.mark.parametrize(
    "expected",
    [
        {"isError": True},
        {"isClientError": False},
        {"writeErrors": {"1": {"code": 11000}}},
        {"writeConcernErrors": [{"code": 91}]},
    ],
)
def test_the_error_of_a_clients_bulk_write_is_as_expected(expected: dict[str, Any]) -> None:
    error = failed_bulk_write(
        writeErrors=[{"idx": 1, "code": 11000, "errmsg": "there"}],
        writeConcernErrors=[{"code": 91, "errmsg": "down"}],
    )
    check_error(expected, error, Matcher(NOTHING.__getitem__))


@pytest.mark.parametrize(
    "expected",
    [
        {"isClientError": True},
        {"errorCode": 11000},
        {"writeErrors": {}},
        {"writeErrors": {"0": {"code": 11000}}},
        {"writeErrors": {"1": {"code": 1}}},
        {"writeConcernErrors": []},
    ],
)
def test_the_error_of_a_clients_bulk_write_is_not(expected: dict[str, Any]) -> None:
    error = failed_bulk_write(
        writeErrors=[{"idx": 1, "code": 11000, "errmsg": "there"}],
        writeConcernErrors=[{"code": 91, "errmsg": "down"}],
    )
    with pytest.raises(Mismatch):
        check_error(expected, error, Matcher(NOTHING.__getitem__))


def test_what_a_job_calls_back_uses_the_task_of_the_job() -> None:
    actor = AsyncioActor()

    async def task() -> object:
        return asyncio.current_task()

    async def job() -> tuple[object, object]:
        return asyncio.current_task(), await actor.call_back(lambda: actor.call(task))

    outer, inner = actor.call(job)
    actor.stop()
    assert outer is inner
