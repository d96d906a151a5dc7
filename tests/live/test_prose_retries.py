"""The prose tests of Retryable Reads, Retryable Writes and Client Backpressure, by their numbers.

Those for sharded clusters need two mongos; `tests/net` has their like on scripted servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import pymongo
import pytest
from pymongo.errors import PyMongoError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    PoolClearedEvent,
)

from greenmongo import MongoClient
from greenmongo.embedded import MongoServer
from tests.support.fix_doors import start
from tests.support.listeners import Recorder

pytestmark = pytest.mark.live

SHUTDOWN_IN_PROGRESS = 91
NOT_WRITABLE_PRIMARY = 10107
MAX_RETRIES = 2

Make = Callable[..., MongoClient[dict[str, Any]]]
FailPoint: TypeAlias = "Callable[..., AbstractContextManager[None]]"


def fail(client: Any, mode: Any, *commands: str, **data: Any) -> None:
    """Set the fail point that makes commands fail."""
    facts = {"failCommands": list(commands), **data}
    client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": facts})


@contextmanager
def failing(client: Any, mode: Any, *commands: str, **data: Any) -> Iterator[None]:
    """Make commands fail, and in the end no more."""
    fail(client, mode, *commands, **data)
    try:
        yield
    finally:
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


class AfterTheFirst(CommandListener):
    """Calls a function once, after the first command of a name was answered."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then: Callable[[], None] | None = then

    def started(self, event: CommandStartedEvent) -> None:
        return

    def _take(self, event: CommandSucceededEvent | CommandFailedEvent) -> None:
        then = self._then
        if event.command_name == self._name and then is not None:
            self._then = None
            then()

    succeeded = _take
    failed = _take


def names_of(seen: Recorder, name: str) -> list[str]:
    return [
        event.command_name for event in seen.of(CommandStartedEvent) if event.command_name == name
    ]


# ---- both: after the pool was cleared -------------------------------------------------------


def after_the_pool_was_cleared(
    seen: Recorder, client: MongoClient[Any], name: str, operation: Callable[[], Any]
) -> None:
    """Have two callers share one connection, and the first one's command clear the pool."""
    client.admin.command("ping")
    first, second = start(operation), start(operation)
    first.result(20)
    second.result(20)
    steps = (ConnectionCheckedOutEvent, PoolClearedEvent, ConnectionCheckOutFailedEvent)
    told = [type(event) for event in seen.events if isinstance(event, steps)]
    of_ping, *of_operation = told
    assert of_ping is ConnectionCheckedOutEvent
    assert tuple(of_operation[:3]) == steps
    (failed,) = seen.of(ConnectionCheckOutFailedEvent)
    assert failed.reason == "connectionError"
    assert len(names_of(seen, name)) == 3


def test_retryable_reads_prose_1_after_the_pool_was_cleared(
    mongo_uri: str, reference: pymongo.MongoClient[Any]
) -> None:
    seen = Recorder()
    with MongoClient[Any](
        mongo_uri,
        maxPoolSize=1,
        retryReads=True,
        heartbeatFrequencyMS=500,
        event_listeners=seen.listeners,
    ) as client:
        blocking = {"blockConnection": True, "blockTimeMS": 1000}
        with failing(reference, {"times": 1}, "find", errorCode=SHUTDOWN_IN_PROGRESS, **blocking):
            after_the_pool_was_cleared(seen, client, "find", client.test_prose.c.find_one)


def test_retryable_writes_prose_2_after_the_pool_was_cleared(
    mongo_uri: str, reference: pymongo.MongoClient[Any]
) -> None:
    seen = Recorder()
    with MongoClient[Any](
        mongo_uri,
        maxPoolSize=1,
        retryWrites=True,
        heartbeatFrequencyMS=500,
        event_listeners=seen.listeners,
    ) as client:
        with failing(
            reference,
            {"times": 1},
            "insert",
            errorCode=SHUTDOWN_IN_PROGRESS,
            blockConnection=True,
            blockTimeMS=1000,
            errorLabels=["RetryableWriteError"],
        ):
            after_the_pool_was_cleared(
                seen, client, "insert", lambda: client.test_prose.c.insert_one({})
            )
        client.drop_database("test_prose")


# ---- reads of a replica set -----------------------------------------------------------------


def servers_tried(members: MongoServer, labels: list[str], **options: Any) -> list[Any]:
    """Return the addresses of a find that fails once on the primary."""
    seen = Recorder("commands")
    with (
        pymongo.MongoClient[Any](members.uri) as reference,
        MongoClient[Any](
            members.uri,
            retryReads=True,
            readPreference="primaryPreferred",
            event_listeners=seen.listeners,
            **options,
        ) as client,
    ):
        client.admin.command("ping")
        with failing(reference, {"times": 1}, "find", errorCode=6, errorLabels=labels):
            client.test.c.find_one()
        (failed,) = seen.of(CommandFailedEvent)
        found = seen.succeeded("find")
        return [failed.connection_id, found.connection_id]


OVERLOAD = ["RetryableError", "SystemOverloadedError"]


def test_retryable_reads_prose_3_1_an_overloaded_server_is_left_if_so_wished(
    members: MongoServer,
) -> None:
    assert len(set(servers_tried(members, OVERLOAD, enableOverloadRetargeting=True))) == 2


def test_retryable_reads_prose_3_2_after_another_error_it_is_the_same_server(
    members: MongoServer,
) -> None:
    assert len(set(servers_tried(members, ["RetryableError"]))) == 1


def test_retryable_reads_prose_3_3_an_overloaded_server_is_kept_otherwise(
    members: MongoServer,
) -> None:
    assert len(set(servers_tried(members, OVERLOAD))) == 1


# ---- an overload first, another error then --------------------------------------------------


def overload_then(
    make_client: Make, reference: Any, name: str, code: int, *labels: str, first: list[str]
) -> tuple[Recorder, PyMongoError]:
    """Have a command fail with an overload, and with another error for ever after."""

    def go_on() -> None:
        fail(reference, "alwaysOn", name, errorCode=code, errorLabels=list(labels))

    seen = Recorder("commands")
    listeners = [*seen.listeners, AfterTheFirst(name, go_on)]
    client = make_client(event_listeners=listeners, heartbeatFrequencyMS=500)
    collection = client.test_prose.c
    operation = collection.find_one if name == "find" else lambda: collection.insert_one({})
    with (
        failing(reference, {"times": 1}, name, errorCode=SHUTDOWN_IN_PROGRESS, errorLabels=first),
        pytest.raises(PyMongoError) as caught,
    ):
        operation()
    return seen, caught.value


def code_of(error: PyMongoError) -> Any:
    return getattr(error, "details", {}).get("code")


def test_retryable_reads_prose_4_an_overload_bounds_all_retries(
    make_client: Make, reference: pymongo.MongoClient[Any]
) -> None:
    seen, _ = overload_then(
        make_client, reference, "find", SHUTDOWN_IN_PROGRESS, "RetryableError", first=OVERLOAD
    )
    assert len(names_of(seen, "find")) == MAX_RETRIES + 1


def test_retryable_writes_prose_6_case_1_the_last_error_is_raised(
    make_client: Make, reference: pymongo.MongoClient[Any]
) -> None:
    _, error = overload_then(
        make_client, reference, "insert", NOT_WRITABLE_PRIMARY, *OVERLOAD, first=OVERLOAD
    )
    assert code_of(error) == NOT_WRITABLE_PRIMARY


def test_retryable_writes_prose_6_case_2_of_errors_that_wrote_nothing_the_first_is_raised(
    make_client: Make, reference: pymongo.MongoClient[Any]
) -> None:
    labels = [*OVERLOAD, "NoWritesPerformed"]
    _, error = overload_then(
        make_client, reference, "insert", NOT_WRITABLE_PRIMARY, *labels, first=labels
    )
    assert code_of(error) == SHUTDOWN_IN_PROGRESS


def test_retryable_writes_prose_6_case_3_an_error_that_may_have_written_is_raised(
    make_client: Make, reference: pymongo.MongoClient[Any]
) -> None:
    labels = [*OVERLOAD, "NoWritesPerformed"]
    _, error = overload_then(
        make_client, reference, "insert", SHUTDOWN_IN_PROGRESS, *labels, first=OVERLOAD
    )
    assert code_of(error) == SHUTDOWN_IN_PROGRESS
    assert not error.has_error_label("NoWritesPerformed")


def test_retryable_writes_prose_6_case_4_an_overload_bounds_all_retries(
    make_client: Make, reference: pymongo.MongoClient[Any]
) -> None:
    labels = ["RetryableError", "RetryableWriteError"]
    seen, _ = overload_then(
        make_client, reference, "insert", SHUTDOWN_IN_PROGRESS, *labels, first=OVERLOAD
    )
    assert len(names_of(seen, "insert")) == MAX_RETRIES + 1


def test_retryable_writes_prose_3_a_write_concern_error_is_told_if_the_retry_wrote_nothing(
    make_client: Make, reference: pymongo.MongoClient[Any]
) -> None:
    def go_on() -> None:
        labels = ["RetryableWriteError", "NoWritesPerformed"]
        fail(reference, {"times": 1}, "insert", errorCode=NOT_WRITABLE_PRIMARY, errorLabels=labels)

    listeners = [AfterTheFirst("insert", go_on)]
    client = make_client(event_listeners=listeners, heartbeatFrequencyMS=500)
    concern = {"code": SHUTDOWN_IN_PROGRESS, "errmsg": "going down"}
    with (
        failing(
            reference,
            {"times": 1},
            "insert",
            errorLabels=["RetryableWriteError"],
            writeConcernError=concern,
        ),
        pytest.raises(PyMongoError) as caught,
    ):
        client.test_prose.c.insert_one({})
    assert getattr(caught.value, "code", None) == SHUTDOWN_IN_PROGRESS
    reference.drop_database("test_prose")


# ---- client backpressure --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "attempts"),
    [
        pytest.param({}, MAX_RETRIES + 1, id="prose_3"),
        pytest.param({"maxAdaptiveRetries": 1}, 2, id="prose_4"),
    ],
)
def test_client_backpressure_prose_3_4_overloads_are_retried_so_often(
    make_client: Make,
    reference: pymongo.MongoClient[Any],
    options: dict[str, Any],
    attempts: int,
) -> None:
    seen = Recorder("commands")
    client = make_client(event_listeners=seen.listeners, **options)
    with (
        failing(reference, "alwaysOn", "find", errorCode=462, errorLabels=OVERLOAD),
        pytest.raises(PyMongoError) as caught,
    ):
        client.test_prose.c.find_one()
    assert all(map(caught.value.has_error_label, OVERLOAD))
    assert len(names_of(seen, "find")) == attempts
