"""Libraries that import PyMongo get this driver, when they are asked to, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fix_hub import ROOT, run_script

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def printed_by(script: str) -> str:
    done = run_script(script, timeout=50)
    assert done.stderr == ""
    return done.stdout


def test_nothing_is_replaced_unless_asked_for() -> None:
    script = "import greenmongo, bridge, pymongo; print(pymongo.MongoClient.__module__)"
    assert printed_by(script) == "pymongo.synchronous.mongo_client\n"


REPLACED = """
import os, sys
import pymongo  # the package may have been imported: it is changed in place
from pymongo import collection as held_module
from greenmongo.compat import replace_pymongo
replaced = replace_pymongo()

import bridge, bridge.motor, greenmongo, gridfs, importlib.util, motor.core, motor.motor_asyncio
import pymongo.asynchronous.collection as async_module
from gridfs.synchronous.grid_file import GridFSBucket
from pymongo import AsyncMongoClient, MongoClient, errors, InsertOne, ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.database import Database
from pymongo.synchronous.collection import Collection
import pymongo.synchronous.mongo_client as whole_module

assert MongoClient is greenmongo.MongoClient and AsyncMongoClient is bridge.AsyncMongoClient
assert Collection is held_module.Collection is pymongo.collection.Collection
assert Collection is greenmongo.Collection
assert async_module.AsyncCollection is bridge.AsyncCollection
assert pymongo.asynchronous.collection is async_module
assert AsyncClientSession is bridge.AsyncClientSession and GridFSBucket is gridfs.GridFSBucket
# What is not replaced is PyMongo's own.
assert whole_module.MongoClient is MongoClient and whole_module.common is pymongo.common
assert pymongo.timeout is greenmongo.timeout
assert motor.motor_asyncio.AsyncIOMotorClient is bridge.motor.AsyncIOMotorClient
assert motor.core.AgnosticCollection is bridge.motor.AsyncIOMotorCollection
assert importlib.util.find_spec("motor") is not None and motor.version_tuple >= (3,)
assert "motor.metaprogramming" not in sys.modules, "Motor itself is never imported"
assert greenmongo.errors.OperationFailure is errors.OperationFailure

class Counting(Collection):
    def count_all(self):
        return self.count_documents({{}})

with MongoClient({uri!r}) as client:
    assert isinstance(client.db, Database) and isinstance(client.db.c, Collection)
    files = gridfs.GridFS(client.replaced)
    assert files.get(files.put(b"text")).read() == b"text"
    things = Counting(client.replaced, "things")
    things.bulk_write([InsertOne({{}})])
    assert things.count_all() == 1

    Collection.find_one = lambda self, *_: "patched"
    assert client.db.c.find_one() == "patched"

    # PyMongo's own hook for forks finds its own classes.
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    client.drop_database("replaced")

assert replace_pymongo() is replaced
assert "pymongo.collection.Collection" in str(replaced)
replaced.undo()
replaced.undo()
from pymongo import MongoClient
from pymongo.synchronous.collection import Collection
import motor.motor_asyncio
assert Collection.__module__ == "pymongo.synchronous.collection"
assert MongoClient.__module__ == "pymongo.synchronous.mongo_client"
assert motor.motor_asyncio.AsyncIOMotorClient.__module__ == "motor.motor_asyncio"
print("done")
"""


def test_whoever_imports_pymongo_afterwards_gets_our_classes(mongo_uri: str) -> None:
    assert printed_by(REPLACED.format(uri=mongo_uri)) == "done\n"


def test_a_block_gives_pymongos_classes_back() -> None:
    script = (
        "import pymongo\n"
        "from greenmongo.compat import replace_pymongo\n"
        "with replace_pymongo() as done:\n"
        "    inside = pymongo.MongoClient\n"
        "print(len(done.names) > 50, inside.__module__, pymongo.MongoClient.__module__)"
    )
    assert printed_by(script) == (
        "True greenmongo._api.client pymongo.synchronous.mongo_client\n"
    )  # fmt: skip


TOO_LATE = {
    "a name": ("from pymongo import MongoClient", "library.MongoClient"),
    "an async name": ("from pymongo import AsyncMongoClient as A", "library.A"),
    "a module": (
        "import pymongo.asynchronous.collection as held",
        "library.held",
    ),
    "a subclass": (
        "import pymongo\ndef make():\n    class Mine(pymongo.MongoClient): ...\n    return Mine\n"
        "mine = [make()]",
        "library.make.<locals>.Mine",
    ),
    "Motor's": ("from motor.motor_asyncio import AsyncIOMotorClient", "library.AsyncIOMotorClient"),
}


@pytest.mark.parametrize("kind", TOO_LATE)
def test_it_refuses_when_others_have_pymongos_classes_already(kind: str, tmp_path: Path) -> None:
    source, named = TOO_LATE[kind]
    (tmp_path / "library.py").write_text(source)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import library, pymongo\n"
        "from greenmongo.compat import replace_pymongo\n"
        "from greenmongo.errors import MisuseError\n"
        "try:\n"
        "    replace_pymongo()\n"
        "except MisuseError as error:\n"
        "    print(error)\n"
        "print(pymongo.MongoClient.__module__)\n"
    )

    printed = printed_by(script)

    assert named in printed
    assert "python -m greenmongo run" in printed
    assert printed.endswith("\npymongo.synchronous.mongo_client\n"), "nothing was changed"


PROGRAM = """
import sys
import pymongo
print(__name__, pymongo.MongoClient.__module__, sys.argv[1:])
sys.exit(3)
"""


@pytest.mark.parametrize("arguments", [("program.py",), ("-m", "program")])
def test_run_starts_a_program_on_this_driver(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "beside.py").write_text("")

    done = subprocess.run(
        [sys.executable, "-m", "greenmongo", "run", *arguments, "-m", "--port", "80", "x"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    expected = "__main__ greenmongo._api.client ['-m', '--port', '80', 'x']\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, expected, "")


def test_run_without_a_program_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "greenmongo", "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 2
    assert "name a script, or a module with -m" in done.stderr
