"""Every fault from the field and every difference that was found is a test that gives its number.

The texts stand in tests/README.md, under F and D. A test belongs to one of them if its docstring
begins with the number: `F04: ...`, or `F02, F12: ...`. Its module need not say more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Faults from the field, differences from the specifications and from PyMongo.
COUNTS = {"F": 18, "D": 13}

PENDING: set[str] = set()
"""Cases that are not mended yet. Whoever mends one takes it out of here."""


def numbers_at_the_beginning(text: str) -> list[str]:
    beginning = re.match(r"[FD]\d\d(?:, [FD]\d\d)*(?=:)", text)
    return beginning.group().split(", ") if beginning else []


def found() -> Iterator[tuple[str, str]]:
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                for name in numbers_at_the_beginning(ast.get_docstring(node) or ""):
                    yield name, f"{path.relative_to(TESTS)}::{node.name}"


CASES = [f"{kind}{number:02}" for kind, count in COUNTS.items() for number in range(1, count + 1)]
FOUND = list(found())


@pytest.mark.parametrize("name", CASES)
def test_every_case_that_is_mended_is_a_test(name: str) -> None:
    tests = [where for case, where in FOUND if case == name]
    if name in PENDING:
        assert not tests, f"{name} has tests: take it out of PENDING"
    else:
        assert tests, f"no test's docstring begins with {name}"


def test_no_docstring_begins_with_a_number_that_is_none() -> None:
    assert {name for name, where in FOUND} - set(CASES) == set()
    assert set(CASES) >= PENDING


def test_every_case_has_a_text() -> None:
    texts = re.findall(r"^\| ([FD]\d\d) \| \S", (TESTS / "README.md").read_text(), re.MULTILINE)
    assert sorted(texts) == sorted(CASES)
