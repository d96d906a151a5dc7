"""Compares values with what a test expects: the unified format's rules of evaluating matches.

Both sides are Python values as BSON decodes them. Only what stands in the expected document counts
where extra keys are allowed: at the root, and in the documents of a list of results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import bson
from bson import json_util
from bson.binary import Binary
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from tests.spec.unified.outcomes import Mismatch

__all__ = ["MISSING", "Matcher", "as_stored", "is_same"]

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "nothing"})()
"""What stands in for a value that is not there."""

_INT32 = range(-(2**31), 2**31)
_CLASSES: dict[str, tuple[type, ...]] = {
    "double": (float,),
    "string": (str,),
    "object": (Mapping,),
    "array": (list,),
    "binData": (bytes, Binary),
    "objectId": (ObjectId,),
    "bool": (bool,),
    "date": (datetime,),
    "null": (type(None),),
    "regex": (Regex,),
    "javascript": (Code,),
    "timestamp": (Timestamp,),
    "decimal": (Decimal128,),
    "minKey": (MinKey,),
    "maxKey": (MaxKey,),
}


def as_stored(value: Any) -> Any:
    """Return a value as it comes back from the server: what equals it in BSON is the same."""
    return bson.decode(bson.encode({"value": value}))["value"]


def is_same(expected: Any, found: Any) -> bool:
    """Tell whether two values are equal in everything but the width of numbers."""
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and expected.keys() == found.keys()
            and all(is_same(value, found[name]) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(is_same, expected, found))
        )
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    return bool(expected == found)


class Matcher:
    """Compares, and raises Mismatch where something differs.

    Args:
        entity: returns the value of a named entity.
        session_id: returns the id of a named session.
    """

    def __init__(
        self, entity: Callable[[str], Any], session_id: Callable[[str], Any] | None = None
    ) -> None:
        self._entity = entity
        self._session_id = session_id or entity

    def check(self, expected: Any, found: Any, where: str = "result", *, root: bool = True) -> None:
        """Compare one value with what is expected.

        Args:
            expected: the value, perhaps with special operators such as `$$exists` in it.
            found: the value, or MISSING.
            where: what the value is, for the message.
            root: allow further keys in a document, and in the documents of a list.

        Raises:
            Mismatch: they differ.
        """
        operator = _operator(expected)
        if operator is not None:
            self._check_special(operator, expected[operator], found, where, root)
        elif isinstance(expected, Mapping):
            self._check_document(expected, found, where, root)
        elif isinstance(expected, list):
            if not isinstance(found, list) or len(found) != len(expected):
                raise _mismatch(where, expected, found)
            for number, (want, have) in enumerate(zip(expected, found, strict=True)):
                self.check(want, have, f"{where}[{number}]", root=root)
        elif not is_same(expected, found):
            raise _mismatch(where, expected, found)

    def matches(self, expected: Any, found: Any) -> bool:
        """Tell whether a value is as expected."""
        try:
            self.check(expected, found)
        except Mismatch:
            return False
        return True

    def _check_document(
        self, expected: Mapping[str, Any], found: Any, where: str, root: bool
    ) -> None:
        if not isinstance(found, Mapping):
            raise _mismatch(where, expected, found)
        for name, value in expected.items():
            self.check(value, found.get(name, MISSING), f"{where}.{name}", root=False)
        extra = sorted(found.keys() - expected.keys())
        if extra and not root:
            raise Mismatch(f"{where}: {extra} is not expected in {found!r}")

    def _check_special(
        self, operator: str, argument: Any, found: Any, where: str, root: bool
    ) -> None:
        if operator == "$$exists":
            if (found is not MISSING) is not argument:
                raise _mismatch(where, {operator: argument}, found)
        elif operator == "$$unsetOrMatches":
            # Of a method that returns nothing, None is what "unset" means.
            if found is not MISSING and not (found is None and root):
                self.check(argument, found, where, root=root)
        elif found is MISSING:
            raise _mismatch(where, {operator: argument}, found)
        elif operator == "$$matchesEntity":
            self.check(self._entity(argument), found, where, root=root)
        elif operator == "$$sessionLsid":
            self.check(self._session_id(argument), found, where, root=False)
        elif operator == "$$matchAsRoot":
            self.check(argument, found, where)
        elif operator == "$$matchAsDocument":
            self.check(argument, _parsed(found, where), where, root=False)
        else:
            _check_value(operator, argument, found, where)


def _check_value(operator: str, argument: Any, found: Any, where: str) -> None:
    if operator == "$$type":
        is_right = any(map(_has_type(found), [argument] if isinstance(argument, str) else argument))
    elif operator == "$$matchesHexBytes":
        is_right = isinstance(found, bytes) and bytes(found) == bytes.fromhex(argument)
    elif operator == "$$lte":
        is_right = _is_number(found) and found <= argument
    else:
        raise Mismatch(f"{where}: there is no operator {operator}")
    if not is_right:
        raise _mismatch(where, {operator: argument}, found)


def _has_type(value: Any) -> Callable[[str], bool]:
    def is_of(name: str) -> bool:
        if name == "number":
            return _is_number(value) or isinstance(value, Decimal128)
        if name in ("int", "long"):
            if isinstance(value, bool) or not isinstance(value, int):
                return False
            is_long = isinstance(value, Int64) or value not in _INT32
            return is_long is (name == "long")
        if name == "javascriptWithScope":
            return isinstance(value, Code) and value.scope is not None
        return isinstance(value, _CLASSES[name])

    return is_of


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _parsed(found: Any, where: str) -> Any:
    if not isinstance(found, str):
        raise Mismatch(f"{where}: not Extended JSON: {found!r}")
    try:
        return json_util.loads(found)
    except ValueError as error:
        raise Mismatch(f"{where}: not Extended JSON: {found!r}") from error


def _operator(expected: Any) -> str | None:
    if isinstance(expected, Mapping) and len(expected) == 1:
        (name,) = expected
        if name.startswith("$$"):
            return str(name)
    return None


def _mismatch(where: str, expected: Any, found: Any) -> Mismatch:
    return Mismatch(f"{where}: expected {expected!r}, found {found!r:.1000}")
