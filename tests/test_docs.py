"""The documentation's code runs, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
IN_PAGES = "mongodb://localhost:27017"
SHORT = 3

BLOCK = re.compile(r"^```(?P<info>python[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"`((?:greenmongo|bridge|tests|docs|examples|benchmarks)/[\w./]*)`")
LINK = re.compile(r"\]\((?P<target>[^)#:\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of Python; one that runs has `runnable` after the language.

    One that pytest runs has `pytest` there, and the name of its file.
    """

    where: str
    info: str
    code: str

    @property
    def is_runnable(self) -> bool:
        return "runnable" in self.info.split()


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            where = f"{page.relative_to(ROOT)}:{line}"
            yield Block(where, match["info"], match["code"])


RUNNABLE = [block for block in blocks() if block.is_runnable]


def test_longer_code_runs_or_stands_in_an_example() -> None:
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    unchecked = [
        block.where
        for block in blocks()
        if not block.is_runnable
        and "gevent-page" not in block.info  # run by tests/live/test_gevent_page.py
        and "pytest" not in block.info.split()  # run by test_the_tests_pass
        and len(block.code.splitlines()) > SHORT
        and not any(block.code in example for example in examples)
    ]
    assert unchecked == []


def test_there_is_code_to_run() -> None:
    assert any(block.where.startswith("README.md") for block in RUNNABLE)


@pytest.mark.live
@pytest.mark.timeout(60)
@pytest.mark.parametrize("block", RUNNABLE, ids=[block.where for block in RUNNABLE])
def test_the_code_runs(
    block: Block, mongo_uri: str, reference: pymongo.MongoClient[dict[str, Any]]
) -> None:
    assert IN_PAGES in block.code
    for name in set(reference.list_database_names()) - {"admin", "config", "local"}:
        # Of another block, which says nothing of what comes after it.
        reference.drop_database(name)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.code.replace(IN_PAGES, mongo_uri)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout != ""


@pytest.mark.live
@pytest.mark.timeout(120)
def test_the_tests_pass(mongo_uri: str, tmp_path: Path) -> None:
    for block in blocks():
        if "pytest" in block.info.split():
            (tmp_path / block.info.split()[-1]).write_text(block.code)
    plugins = ["-p", "pytest_asyncio.plugin", "-p", "pytest_greenmongo"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, "--rootdir=."],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
            "TEST_MONGODB_URI": mongo_uri,
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("script", ["awaits.py", "options.py"])
def test_the_generated_tables_are_current(script: str) -> None:
    path = ROOT / "docs" / script
    done = subprocess.run([sys.executable, path, "--check"], cwd=ROOT, timeout=50, check=False)
    assert done.returncode == 0, f"run python docs/{script}"


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_named_files_exist(page: Path) -> None:
    named = NAMED_FILE.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_lead_to_files(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
