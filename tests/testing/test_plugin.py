"""The fixtures that the project offers: one client, and hundreds of tests with a loop each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from bridge import AsyncDatabase, AsyncMongoClient
from greenmongo import Database, MongoClient
from tests.support.fix_hub import ROOT
from tests.support.fix_loops import LOOPS

pytestmark = pytest.mark.live

Doc = dict[str, Any]


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Provide each kind of loop in turn."""
    return request.param


@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(500))
async def test_a_client_serves_the_loops_of_hundreds_of_tests(
    greenmongo_async_client: AsyncMongoClient[Doc], number: int
) -> None:
    reply = await greenmongo_async_client.admin.command("ping", comment=number)
    assert reply["ok"] == 1.0


@pytest.mark.anyio
async def test_a_test_of_anyios_has_a_database_of_its_own(
    greenmongo_async_database: AsyncDatabase[Doc], greenmongo_database: Database[Doc]
) -> None:
    assert await greenmongo_async_database.list_collection_names() == []
    await greenmongo_async_database.things.insert_one({"_id": 1})
    assert greenmongo_database.name == greenmongo_async_database.name


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_database_is_empty_at_first(greenmongo_database: Database[Doc], time: str) -> None:
    assert greenmongo_database.things.find_one() is None
    greenmongo_database.things.insert_one({"time": time})


def test_both_faces_share_one_client(
    greenmongo_client: MongoClient[Doc], greenmongo_async_client: AsyncMongoClient[Doc]
) -> None:
    assert greenmongo_async_client.sync is greenmongo_client


PROJECT = """
import pytest

async def check(greenmongo_async_database):
    await greenmongo_async_database.c.insert_one({"_id": 1})
    assert await greenmongo_async_database.c.count_documents({}) == 1

test_asyncio = pytest.mark.asyncio(check)
test_anyio = pytest.mark.anyio(check)

def test_blocking(greenmongo_database):
    assert greenmongo_database.c.count_documents({}) == 0

@pytest.fixture(scope="session")
def greenmongo_uri():
    return URI
"""


@pytest.mark.timeout(60)
def test_a_project_of_somebody_else_finds_the_plugin_by_itself(
    tmp_path: Path, mongo_uri: str
) -> None:
    announced = {each.name: each.value for each in entry_points(group="pytest11")}
    if announced.get("greenmongo") != "pytest_greenmongo" or "greenmongo_bridge" in announced:
        pytest.skip("the project was installed before it had this entry point")
    (tmp_path / "test_it.py").write_text(PROJECT.replace("URI", repr(mongo_uri)))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-c",
            os.devnull,
            "--rootdir=.",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    # The blocking one, asyncio's, and anyio's on each loop that it knows: on two at least.
    passed = re.findall(r"^(\d+) passed in", done.stdout, re.MULTILINE)
    assert [int(count) >= 4 for count in passed] == [True], done.stdout + done.stderr
