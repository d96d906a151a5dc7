"""A program with a module of its own that is called `bridge` can use all of the driver."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fix_hub import ROOT

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]

THEIRS = "WHOSE = 'mine'\n"

PROGRAM = """
import asyncio, inspect, pickle, sys
import bridge
import greenmongo
from greenmongo import AsyncMongoClient, MongoClient, block_on
from greenmongo.asynchronous.collection import AsyncCollection
from greenmongo.errors import LoopClosed
from greenmongo.motor.motor_asyncio import AsyncIOMotorClient
from greenmongo.asynchronous import run
import greenmongo._bridge._collection

assert bridge.WHOSE == "mine" and vars(bridge).keys() >= {{"WHOSE"}}
assert greenmongo._bridge._collection.AsyncCollection is AsyncCollection
assert issubclass(AsyncIOMotorClient, AsyncMongoClient)
assert [name for name in sys.modules if name.startswith("bridge")] == ["bridge"]
assert pickle.loads(pickle.dumps(LoopClosed("x"))).args == ("x",)
assert inspect.getsource(AsyncCollection).startswith("class AsyncCollection")

async def main():
    async with AsyncMongoClient({uri!r}) as client:
        assert type(client.db.c) is AsyncCollection
        assert await client.run(lambda: block_on(client.admin.command("ping")))
        motor = AsyncIOMotorClient({uri!r})
        print((await motor.admin.command("ping"))["ok"])
        motor.close()

asyncio.run(main())
"""


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder whose modules come first."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )


@pytest.fixture(params=["module", "package"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Provide a folder with a `bridge` that is not ours."""
    if request.param == "package":
        (tmp_path / "bridge").mkdir()
        (tmp_path / "bridge" / "__init__.py").write_text(THEIRS)
    else:
        (tmp_path / "bridge.py").write_text(THEIRS)
    return tmp_path


def test_the_async_classes_are_there_under_greenmongo(project: Path, mongo_uri: str) -> None:
    (project / "program.py").write_text(PROGRAM.format(uri=mongo_uri))

    done = run_in(project, "program.py")

    assert (done.stdout, done.stderr) == ("1.0\n", "")


def test_pytest_starts_and_has_our_fixtures(project: Path, mongo_uri: str) -> None:
    (project / "test_it.py").write_text(
        "import bridge, pytest\n"
        "@pytest.fixture(scope='session')\n"
        f"def greenmongo_uri(): return {mongo_uri!r}\n"
        "@pytest.mark.anyio\n"
        "async def test_it(greenmongo_async_database):\n"
        "    assert bridge.WHOSE == 'mine'\n"
        "    assert await greenmongo_async_database.c.count_documents({}) == 0\n"
    )

    done = run_in(
        project, "-m", "pytest", "-q", "-p", "no:randomly", "-c", os.devnull, "--rootdir=.",
        # As the entry point does, which an older installation does not have.
        "-p", "no:greenmongo", "-p", "no:greenmongo_bridge", "-p", "pytest_greenmongo",
    )  # fmt: skip

    assert re.findall(r"^[1-9]\d* passed in", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_without_another_one_bridge_and_greenmongo_are_the_same_objects() -> None:
    import bridge.errors
    import greenmongo.asynchronous.collection
    from greenmongo.errors import LoopClosed

    assert bridge.errors.LoopClosed is LoopClosed
    assert greenmongo.asynchronous.collection.AsyncCollection is bridge.AsyncCollection
    assert type(pickle.loads(pickle.dumps(LoopClosed()))) is bridge.errors.LoopClosed
    assert "greenmongo._bridge" not in sys.modules
