"""Every acceptance case is a test named after it, and goes through the doors that it should.

A case is named in a test's name (`test_P02_P03_...`); its doors are read from the test's
arguments and its kind. The text of each case stands in tests/README.md. What this module says can
be checked with `pytest --collect-only -k R17`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Pool, requests, greenlets, replica sets, tasks, methods of PyMongo 2.x.
COUNTS = {"P": 44, "R": 39, "G": 21, "S": 43, "A": 13, "M": 24}

BLOCKING = frozenset({"thread", "greenlet"})
TASKS = frozenset({"asyncio", "trio"})
DOORS: dict[str, frozenset[str]] = {
    "P": BLOCKING,
    "R": BLOCKING | TASKS,
    "G": BLOCKING,
    "A": TASKS,
    "S": frozenset(),
    "M": frozenset(),
}

OTHERWISE = {
    "P38": "a constructor's option: nobody waits and no request is made",
    "P40": "forks, in a process of its own",
    "P41": "forks, in a process of its own",
    "P42": "forks, in a process of its own",
    "P43": "about a thread, by its nature",
    "R12": "a constructor's option, on four classes",
    "R22": "an interrupt of the main thread: four processes, one for each door",
    "R23": "greenlets and tasks; nothing can time out a thread",
    "R24": "greenlets and tasks; nothing can kill a thread",
    "G01": "about raw greenlets, by its nature",
    "G07": "one greenlet and one thread, neither of which begins",
    "G15": "patches everything, in a process of its own",
    "G16": "patches sockets, in a process of its own",
    "G18": "hides gevent, in a process of its own",
    "G19": "a constructor's option",
    "G20": "about a thread's own hub, by its nature",
    "G21": "about the hub's callbacks, by its nature",
    "A10": "a loop closed under its tasks, as only asyncio's can be",
    "A12": "ends the interpreter, in a process of its own; with asyncio",
}
"""Cases that do not go through the doors as the others of their kind, and why."""

NEVER = {"S13": "what PyMongo 2.3 did otherwise: there is one behaviour, and no version switch"}
"""Cases that no test can be named after, and why."""


@dataclass(frozen=True)
class Case:
    """A test of one acceptance case."""

    name: str
    where: str
    doors: frozenset[str]


def fixtures_named_door(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "door" for node in tree.body)


def doors_of(function: ast.FunctionDef | ast.AsyncFunctionDef, tree: ast.Module) -> frozenset[str]:
    arguments = {argument.arg for argument in function.args.args}
    if arguments & {"connect_through", "connection_through", "every_door"}:
        return BLOCKING | TASKS
    if "door" in arguments:
        # A module may say that its `door` is any of the four.
        return BLOCKING | TASKS if fixtures_named_door(tree) else BLOCKING
    if isinstance(function, ast.AsyncFunctionDef) or "run_on_loop" in arguments:
        decorators = " ".join(map(ast.unparse, function.decorator_list))
        return frozenset({"asyncio"}) if "on_asyncio" in decorators else TASKS
    return frozenset()


def found() -> Iterator[Case]:
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                named = re.match(r"test((?:_[PRGSAM]\d\d)+)_", node.name)
                for name in named.group(1).split("_")[1:] if named else ():
                    where = f"{path.relative_to(TESTS)}::{node.name}"
                    yield Case(name, where, doors_of(node, tree))


ALL = [f"{kind}{number:02}" for kind, count in COUNTS.items() for number in range(1, count + 1)]
CASES = [name for name in ALL if name not in NEVER]
FOUND = list(found())


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_a_test_and_goes_through_its_doors(name: str) -> None:
    tests = [case for case in FOUND if case.name == name]
    assert tests, f"no test is named after {name}"
    doors = frozenset[str]().union(*(case.doors for case in tests))
    missing = DOORS[name[0]] - doors
    if name in OTHERWISE:
        assert missing, f"{name} goes through all its doors: it is no exception any more"
    else:
        assert not missing, f"{name} does not go through {sorted(missing)}: {tests}"


def test_no_test_is_named_after_a_case_that_is_none() -> None:
    assert {case.name for case in FOUND} - set(CASES) == set()


def test_every_case_has_a_text() -> None:
    texts = re.findall(r"^\| ([PRGSAM]\d\d) \| \S", (TESTS / "README.md").read_text(), re.MULTILINE)
    assert sorted(texts) == sorted(ALL)


@pytest.mark.parametrize("where", sorted({case.where.partition("::")[0] for case in FOUND}))
def test_a_module_with_cases_says_where_their_texts_are(where: str) -> None:
    documentation = ast.get_docstring(ast.parse((TESTS / where).read_text())) or ""
    assert "tests/README.md" in documentation, "add: The cases are listed in tests/README.md."
