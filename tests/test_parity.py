"""The async classes have what the blocking ones have, and both have what PyMongo's have.

What is not there yet, or never will be, stands in the tables below. They only ever shrink: a
name in them that exists is an error.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pymongo
import pytest

import bridge
import greenmongo
import greenmongo.legacy

NAMES = ("MongoClient", "Database", "Collection", "Cursor", "CommandCursor")

NOT_YET = {
    "MongoClient": {"append_metadata", "bulk_write", "start_session", "watch"},
    "Database": {"watch"},
    "Collection": {
        "aggregate_raw_batches",
        "bulk_write",
        "create_search_index",
        "create_search_indexes",
        "drop_search_index",
        "find_raw_batches",
        "list_search_indexes",
        "update_search_index",
        "watch",
    },
    "Cursor": set[str](),
    "CommandCursor": set[str](),
}
NEVER = {"MongoClient": {"eq_props"}}
"""Inside matters of PyMongo's that happen to have no underscore."""

OURS = {"start_request", "end_request", "in_request", "auto_start_request", "use_greenlets"}
ONLY_ASYNC = {"aclose", "aconnect", "from_client", "run", "sync"}
NOT_BORROWED = {
    # PyMongo's classes make the difference: these are coroutines there, on the async side.
    "add_option",
    "rewind",
    # The result is a cursor, a database or a request of the async kind.
    "clone",
    "start_request",
}


def public(cls: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("_")
    }


def async_twin(name: str) -> type:
    cls: type = getattr(bridge, f"Async{name}")
    return cls


def pymongos(name: str, *, package: str = "pymongo", prefix: str = "") -> type:
    module = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    cls: type = getattr(importlib.import_module(f"{package}.{module}"), prefix + name)
    return cls


def pymongos_async(name: str) -> type:
    return pymongos(name, package="pymongo.asynchronous", prefix="Async")


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

    assert bridged.keys() - ONLY_ASYNC == blocking.keys()


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
    theirs, ours = public(pymongos_async(name)), public(async_twin(name))

    for member in theirs.keys() & ours.keys():
        assert (member, is_awaited(ours[member])) == (member, is_awaited(theirs[member]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", ["blocking", "async"])
def test_every_public_name_of_pymongos_class_is_here_or_listed(name: str, side: str) -> None:
    if side == "blocking":
        theirs, ours = public(pymongos(name)), public(getattr(greenmongo, name))
    else:
        theirs, ours = public(pymongos_async(name)), public(async_twin(name))

    # Older releases of PyMongo have not all the names that are listed.
    listed = (NOT_YET[name] | NEVER.get(name, set())) & theirs.keys()
    assert theirs.keys() - ours.keys() == listed


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_in_pymongo_is_ours_on_purpose(name: str) -> None:
    ours = public(getattr(greenmongo, name)).keys() - public(pymongos(name)).keys()

    assert ours <= OURS


@pytest.mark.parametrize("name", NAMES)
def test_pymongos_arguments_fit(name: str) -> None:
    theirs, ours = public(pymongos(name)), public(getattr(greenmongo, name))

    for method in theirs.keys() & ours.keys():
        if inspect.isfunction(theirs[method]) and inspect.isfunction(ours[method]):
            expected, actual = parameters(theirs[method]), parameters(ours[method])
            assert (method, misfits(expected, actual)) == (method, [])


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


def test_the_constructors_take_the_same_arguments() -> None:
    blocking = parameters(greenmongo.MongoClient.__init__)
    bridged = parameters(bridge.AsyncMongoClient.__init__)
    theirs = parameters(pymongo.MongoClient.__init__)

    assert [str(p) for p in bridged] == [str(p) for p in blocking]
    assert misfits(theirs, blocking) == []


# What code of PyMongo 2.x uses. Nothing of PyMongo's is left to compare it with.

LEGACY = {
    "Connection": ("Connection", "AsyncConnection"),
    "ReplicaSetConnection": ("ReplicaSetConnection", "AsyncReplicaSetConnection"),
    "LegacyDatabase": ("LegacyDatabase", "AsyncLegacyDatabase"),
    "LegacyCollection": ("LegacyCollection", "AsyncLegacyCollection"),
    "LegacyCursor": ("LegacyCursor", "AsyncLegacyCursor"),
}
ONLY_BLOCKING = {"LegacyDatabase": {"system_js"}}
"""Assigning to its attributes asks the server, which no coroutine can wait for."""
WRITTEN_BY_HAND = NOT_BORROWED | {"close", "end_request", "in_request", "next", "to_list"}


def legacy_pair(name: str) -> tuple[type, type]:
    blocking, bridged = LEGACY[name]
    return getattr(greenmongo.legacy, blocking), getattr(bridge, bridged)


@pytest.mark.parametrize("name", LEGACY)
def test_the_async_legacy_class_is_complete(name: str) -> None:
    blocking, bridged = legacy_pair(name)

    missing = public(blocking).keys() - public(bridged).keys()
    assert missing == ONLY_BLOCKING.get(name, set())
    assert public(bridged).keys() - public(blocking).keys() <= ONLY_ASYNC


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
