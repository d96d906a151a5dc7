"""The async classes have what the blocking ones have, and both have what PyMongo's have.

PyMongo's side is read from the one that is installed. What is not there yet, or never will be,
stands in the tables below. They only ever shrink: a name in them that exists is an error.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

import bridge
import greenmongo
import greenmongo.legacy
from bridge._delegate import is_optionally_awaited

THEIRS = {
    "MongoClient": "pymongo.synchronous.mongo_client",
    "Database": "pymongo.synchronous.database",
    "Collection": "pymongo.synchronous.collection",
    "Cursor": "pymongo.synchronous.cursor",
    "CommandCursor": "pymongo.synchronous.command_cursor",
    "RawBatchCursor": "pymongo.synchronous.cursor",
    "RawBatchCommandCursor": "pymongo.synchronous.command_cursor",
    "ClientSession": "pymongo.synchronous.client_session",
    "ChangeStream": "pymongo.synchronous.change_stream",
    "ClientEncryption": "pymongo.synchronous.encryption",
    "GridFS": "gridfs.synchronous.grid_file",
    "GridFSBucket": "gridfs.synchronous.grid_file",
    "GridIn": "gridfs.synchronous.grid_file",
    "GridOut": "gridfs.synchronous.grid_file",
    "GridOutCursor": "gridfs.synchronous.grid_file",
}
"""The classes of PyMongo's API, and where the blocking ones are; `asynchronous` has the others."""

NEVER = {
    # Client-side encryption needs libmongocrypt's bindings, which PyMongo keeps to itself.
    "ClientEncryption",
    # Inside matters of PyMongo's that happen to have no underscore.
    "MongoClient.eq_props",
    # Parameters of a constructor that does I/O; `Database.create_collection` is there for that.
    "Collection.create",
}
NAMES = [name for name in THEIRS if name not in NEVER]
CURSORS = ("Cursor", "CommandCursor", "RawBatchCursor", "RawBatchCommandCursor")

OURS = {
    "start_request",
    "end_request",
    "in_request",
    "auto_start_request",
    "use_greenlets",
    # Of buckets: GridFS, "Drop".
    "drop",
    # Of sessions: Snapshot Reads, "getSnapshotTime".
    "snapshot_time",
    # Of files: PyMongo's async ones have it on the instance.
    "closed",
}
ONLY_ASYNC = {
    "MongoClient": {"aclose", "aconnect", "from_client", "run", "sync"},
    # What makes an event loop take them for coroutines.
    **{name: {"send", "throw"} for name in (*CURSORS, "ChangeStream", "GridOutCursor")},
    "GridOut": {"to_list"},
}


def public(cls: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("_")
    }


def async_twin(name: str) -> type:
    cls: type = getattr(bridge, f"Async{name}")
    return cls


def pymongos(name: str) -> type:
    cls: type = getattr(importlib.import_module(THEIRS[name]), name)
    return cls


def pymongos_async(name: str) -> type:
    module = importlib.import_module(THEIRS[name].replace(".synchronous", ".asynchronous"))
    cls: type = getattr(module, f"Async{name}")
    return cls


SIDES: dict[str, tuple[Callable[[str], type[Any]], Callable[[str], type[Any]]]] = {
    "blocking": (pymongos, lambda name: getattr(greenmongo, name)),
    "async": (pymongos_async, async_twin),
}


def both(name: str, side: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the public attributes of PyMongo's class and of ours."""
    theirs, ours = SIDES[side]
    return public(theirs(name)), public(ours(name))


def parameters(method: Any) -> list[inspect.Parameter]:
    """Return the parameters after `self`."""
    return list(inspect.signature(method).parameters.values())[1:]


def is_awaited(member: Any) -> bool:
    if isinstance(member, property):
        member = member.fget
    return inspect.iscoroutinefunction(member)


@pytest.mark.parametrize("name", NAMES)
def test_the_async_class_is_complete(name: str) -> None:
    blocking, bridged = public(getattr(greenmongo, name)), public(async_twin(name))

    assert bridged.keys() - ONLY_ASYNC.get(name, set()) == blocking.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_async_methods_have_the_same_parameters(name: str) -> None:
    blocking, bridged = public(getattr(greenmongo, name)), public(async_twin(name))

    for method in blocking:
        if inspect.isfunction(blocking[method]):
            expected = [(p.name, p.kind, p.default) for p in parameters(blocking[method])]
            actual = [(p.name, p.kind, p.default) for p in parameters(bridged[method])]
            assert (method, actual) == (method, expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_async_methods_are_documented_and_know_where_they_live(name: str) -> None:
    twin = async_twin(name)

    for method, member in public(twin).items():
        if inspect.isfunction(member) and method != "next":
            assert member.__doc__, method
            assert member.__qualname__.split(".")[0] in {c.__name__ for c in twin.__mro__}
            assert member.__module__.startswith("bridge")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_awaited_in_pymongo_is_awaited_here(name: str) -> None:
    theirs, ours = both(name, "async")

    for member in theirs.keys() & ours.keys():
        if not is_optionally_awaited(ours[member]):
            assert (member, is_awaited(ours[member])) == (member, is_awaited(theirs[member]))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="inspect cannot be told on Python 3.10")
@pytest.mark.parametrize("name", NAMES)
def test_what_pymongo_declares_async_passes_for_a_coroutine_function(name: str) -> None:
    """D06: frameworks ask, and await what a callback returns if so; nothing else passes for one."""
    theirs, ours = both(name, "async")

    for member in theirs.keys() & ours.keys():
        expected = inspect.iscoroutinefunction(theirs[member])
        assert (member, inspect.iscoroutinefunction(ours[member])) == (member, expected)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_of_pymongos_class_is_here_or_listed(name: str, side: str) -> None:
    theirs, ours = both(name, side)
    missing = {f"{name}.{member}" for member in theirs.keys() - ours.keys()}

    # Not all that are listed: older releases of PyMongo have not all the names.
    assert missing <= NEVER


@pytest.mark.parametrize("name", sorted(NEVER))
def test_what_is_listed_as_missing_is_missing(name: str) -> None:
    cls, _, member = name.partition(".")

    if member:
        assert not hasattr(getattr(greenmongo, cls), member)
        assert not hasattr(async_twin(cls), member)
    else:
        assert not hasattr(greenmongo, cls)
        assert not hasattr(bridge, f"Async{cls}")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_in_pymongo_is_ours_on_purpose(name: str, side: str) -> None:
    theirs, ours = both(name, side)

    assert ours.keys() - theirs.keys() <= OURS | ONLY_ASYNC.get(name, set())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_pymongos_arguments_fit(name: str, side: str) -> None:
    theirs, ours = both(name, side)

    for method in theirs.keys() & ours.keys():
        if inspect.isfunction(theirs[method]) and inspect.isfunction(ours[method]):
            expected, actual = parameters(theirs[method]), parameters(ours[method])
            assert (method, misfits(expected, actual)) == (method, [])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_a_method_of_pymongos_is_a_method_here(name: str, side: str) -> None:
    theirs, ours = both(name, side)

    for member in theirs.keys() & ours.keys():
        assert (member, kind_of(ours[member])) == (member, kind_of(theirs[member]))


def kind_of(member: Any) -> str:
    """Tell methods, which are called, from what is only looked at."""
    if inspect.isroutine(member):  # io's are not functions
        return "method"
    return "attribute"


def misfits(expected: list[inspect.Parameter], actual: list[inspect.Parameter]) -> list[str]:
    """Name PyMongo's parameters that cannot be passed, or be left out, in the same way."""
    variadic = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in expected + actual):
        return []
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in actual)
    by_name = {p.name: p for p in actual}
    positional = [p.name for p in actual if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    found = []
    for place, theirs in enumerate(p for p in expected if p.kind not in variadic):
        ours = by_name.get(theirs.name)
        if ours is None:
            if not takes_all:
                found.append(theirs.name)
            continue
        by_place = theirs.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        if by_place and positional[place : place + 1] != [theirs.name]:
            found.append(f"{theirs.name} (its place)")
        if (theirs.default is inspect.Parameter.empty) != (ours.default is inspect.Parameter.empty):
            found.append(f"{theirs.name} (its default)")
    return found


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", ["MongoClient", "Database"])  # for Collection see NEVER
def test_the_constructors_take_pymongos_arguments(name: str, side: str) -> None:
    constructors = [cls(name).__init__ for cls in SIDES[side]]

    assert misfits(*map(parameters, constructors)) == []


def test_the_clients_take_the_same_arguments() -> None:
    blocking = parameters(greenmongo.MongoClient.__init__)
    bridged = parameters(bridge.AsyncMongoClient.__init__)

    # Not their types: the async client also takes a blocking one for the host.
    assert [(p.name, p.kind, p.default) for p in bridged] == [
        (p.name, p.kind, p.default) for p in blocking
    ]


# What code of PyMongo 2.x uses. Nothing of PyMongo's is left to compare it with.

LEGACY = {
    "Connection": ("Connection", "AsyncConnection"),
    "ReplicaSetConnection": ("ReplicaSetConnection", "AsyncReplicaSetConnection"),
    "LegacyDatabase": ("LegacyDatabase", "AsyncLegacyDatabase"),
    "LegacyCollection": ("LegacyCollection", "AsyncLegacyCollection"),
    "LegacyCursor": ("LegacyCursor", "AsyncLegacyCursor"),
    "GridFS": ("GridFS", "AsyncLegacyGridFS"),
    "BulkOperationBuilder": ("BulkOperationBuilder", "AsyncBulkOperationBuilder"),
}
ONLY_BLOCKING = {"LegacyDatabase": {"system_js"}}
"""Assigning to its attributes asks the server, which no coroutine can wait for."""
WRITTEN_BY_HAND = {
    "clone",
    "close",
    "end_request",
    "in_request",
    "next",
    "put",
    "rewind",
    "start_request",
    "to_list",
}


def legacy_pair(name: str) -> tuple[type, type]:
    blocking, bridged = LEGACY[name]
    return getattr(greenmongo.legacy, blocking), getattr(bridge, bridged)


@pytest.mark.parametrize("name", LEGACY)
def test_the_async_legacy_class_is_complete(name: str) -> None:
    blocking, bridged = legacy_pair(name)

    missing = public(blocking).keys() - public(bridged).keys()
    assert missing == ONLY_BLOCKING.get(name, set())
    assert (
        public(bridged).keys() - public(blocking).keys()
        <= ONLY_ASYNC["MongoClient"] | ONLY_ASYNC["Cursor"]
    )


@pytest.mark.parametrize("name", LEGACY)
def test_the_async_legacy_class_borrows_what_is_overridden(name: str) -> None:
    blocking, bridged = (public(cls) for cls in legacy_pair(name))

    for method, member in blocking.items():
        if inspect.isfunction(member) and method in bridged and method not in WRITTEN_BY_HAND:
            assert inspect.unwrap(bridged[method]) is member, method
            assert member.__doc__, method


@pytest.mark.parametrize("name", ["MongoClient", "Database", "Collection", "Cursor"])
def test_the_legacy_class_has_all_that_todays_has(name: str) -> None:
    legacy = {"MongoClient": "Connection"}.get(name, f"Legacy{name}")
    cls, modern = getattr(greenmongo.legacy, legacy), getattr(greenmongo, name)

    assert issubclass(cls, modern)
    assert public(modern).keys() <= public(cls).keys()
