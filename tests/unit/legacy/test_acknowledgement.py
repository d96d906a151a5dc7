from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import ConfigurationError
from pymongo.write_concern import WriteConcern

from greenmongo._legacy._acknowledgement import as_last_error, choose_write_concern

NO = WriteConcern(w=0)
YES = WriteConcern()
TWO = WriteConcern(w=2, wtimeout=50)


@pytest.mark.parametrize(
    ("inherited", "safe", "options", "expected"),
    [
        (YES, None, {}, YES),
        (NO, None, {}, NO),
        (TWO, None, {}, TWO),
        (TWO, True, {}, TWO),
        (NO, True, {}, YES),
        (TWO, False, {}, NO),
        (TWO, None, {"w": 1}, WriteConcern(w=1)),
        (NO, False, {"j": True}, WriteConcern(j=True)),
        (YES, None, {"w": 0}, NO),
        (YES, False, {"w": 0}, NO),
        (NO, None, {"wtimeoutMS": 5}, WriteConcern(wtimeout=5)),
        (TWO, None, {"w": None}, YES),
        (TWO, None, {"fsync": True}, WriteConcern(fsync=True)),
    ],
)
def test_options_of_the_call_go_before_safe_and_that_before_the_collection(
    inherited: WriteConcern, safe: bool | None, options: dict[str, Any], expected: WriteConcern
) -> None:
    assert choose_write_concern(inherited, safe, options) == expected


@pytest.mark.parametrize(
    ("safe", "options", "error", "name"),
    [
        (True, {"w": 0}, ConfigurationError, "safe=True"),
        (None, {"w": 0, "j": True}, ConfigurationError, "j"),
        (None, {"x": 1}, ConfigurationError, "x"),
        (1, {}, TypeError, "safe"),
    ],
)
def test_contradictions_are_named(
    safe: Any, options: dict[str, Any], error: type[Exception], name: str
) -> None:
    with pytest.raises(error, match=name):
        choose_write_concern(YES, safe, options)


def test_an_update_is_told_as_getlasterror_told_it() -> None:
    reply = {"n": 1, "nModified": 0, "ok": 1.0, "electionId": 7}
    told = as_last_error(reply, 5, updated=True)
    assert told == {
        "ok": 1.0, "err": None, "n": 1, "connectionId": 5, "updatedExisting": True, "nModified": 0
    }  # fmt: skip


def test_an_upsert_has_the_new_id_even_if_it_is_none() -> None:
    told = as_last_error({"n": 1, "upserted": None}, None, updated=True)
    assert told == {"ok": 1.0, "err": None, "n": 1, "updatedExisting": False, "upserted": None}


def test_a_removal_updates_nothing() -> None:
    assert as_last_error({"n": 3}, None, updated=False) == {"ok": 1.0, "err": None, "n": 3}
