"""Moving source text: imports, awaits, and what is left to a person."""

from __future__ import annotations

import textwrap
from pathlib import Path

import libcst
import pytest

from greenmongo.cli import main
from greenmongo.cli.migrate.source import move_source


def moved(source: str, *, motor_becomes_async: bool = False) -> str:
    """Return the new text of a file."""
    text = textwrap.dedent(source).encode()
    return move_source(text, motor_becomes_async=motor_becomes_async).text.decode()


def remarks(source: str, *, motor_becomes_async: bool = False) -> list[str]:
    """Return what is to be looked at, each as "line: text"."""
    text = textwrap.dedent(source).encode()
    found = move_source(text, motor_becomes_async=motor_becomes_async).remarks
    return [f"{remark.line}: {remark.text}" for remark in found]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from pymongo import MongoClient\n", "from greenmongo import MongoClient\n"),
        (
            "from pymongo import ASCENDING, MongoClient as Mongo  # the driver\n",
            "from greenmongo import ASCENDING, MongoClient as Mongo  # the driver\n",
        ),
        (
            "from pymongo.errors import (\n    NetworkTimeout,  # retried\n    InvalidURI,\n)\n",
            "from greenmongo.errors import (\n    NetworkTimeout,  # retried\n    InvalidURI,\n)\n",
        ),
        ("import pymongo.collection as c\n", "import greenmongo.collection as c\n"),
        (
            "import pymongo\nclient = pymongo.MongoClient()\n",
            "import greenmongo\nclient = greenmongo.MongoClient()\n",
        ),
        (
            "import pymongo.errors\ntry:\n    f()\nexcept pymongo.errors.PyMongoError:\n    pass\n",
            "import greenmongo.errors\n"
            "try:\n    f()\nexcept greenmongo.errors.PyMongoError:\n    pass\n",
        ),
        (
            "import pymongo\nx = pymongo.MongoClient().a.b.find()[0].c\n",
            "import greenmongo\nx = greenmongo.MongoClient().a.b.find()[0].c\n",
        ),
        (
            "def f():\n    import gridfs\n    return gridfs.GridFS(db)\n",
            "def f():\n    import greenmongo.gridfs\n    return greenmongo.gridfs.GridFS(db)\n",
        ),
        (
            "from motor.motor_asyncio import AsyncIOMotorClient\n",
            "from bridge.motor import AsyncIOMotorClient\n",
        ),
    ],
)
def test_an_import_moves_with_its_uses_and_its_layout(old: str, new: str) -> None:
    assert moved(old) == new


def test_what_has_no_home_here_stays_and_is_told() -> None:
    source = "from pymongo import MongoClient\nfrom pymongo._csot import remaining\n"
    assert moved(source) == source.replace("from pymongo import", "from greenmongo import")
    (told,) = remarks(source)
    assert told.startswith("2: `pymongo._csot.remaining` stays PyMongo's")


def test_a_module_through_which_something_homeless_is_reached_is_imported_still() -> None:
    source = "import pymongo\nprint(pymongo.no_such_thing, pymongo.MongoClient)\n"
    assert moved(source) == (
        "import pymongo\nimport greenmongo\nprint(pymongo.no_such_thing, greenmongo.MongoClient)\n"
    )
    assert [told.partition(" ")[0] for told in remarks(source)] == ["2:"]


def test_a_module_that_is_handed_on_stays_and_is_told() -> None:
    source = "import pymongo\nregister(pymongo)\n"
    assert moved(source) == "import pymongo\nimport greenmongo\nregister(pymongo)\n"
    assert remarks(source) == ["2: the module `pymongo` itself is used here"]


@pytest.mark.parametrize(
    "source",
    [
        "import os\nimport bson\nfrom bson import ObjectId\n",
        "from gridfs.errors import NoFile\n",
        "from . import pymongo\nfrom .pymongo import MongoClient\n",
        "pymongo = object()\nprint(pymongo.MongoClient)\n",
        "from gevent import monkey\n",
        "",
    ],
)
def test_a_file_of_something_else_comes_back_as_it_was(source: str) -> None:
    assert moved(source) == source
    assert remarks(source) == []


def test_the_encoding_of_a_file_is_kept() -> None:
    source = "# -*- coding: latin-1 -*-\nfrom pymongo import MongoClient\nname = 'Zoë'\n"
    text = move_source(source.encode("latin-1")).text
    assert text.decode("latin-1") == source.replace("from pymongo", "from greenmongo")


def test_pymongo_2_keeps_its_clients_and_its_files() -> None:
    source = """\
        from pymongo import Connection, MongoClient
        from pymongo.errors import OperationFailure, TimeoutError
        from pymongo.son_manipulator import SONManipulator
        from gridfs import GridFS

        old = Connection()
        new = MongoClient("h", 27017)
        told = MongoClient("h", auto_start_request=True)
        """
    assert moved(source) == textwrap.dedent("""\
        from greenmongo import Connection, Connection as MongoClient
        from greenmongo.errors import OperationFailure, WTimeoutError as TimeoutError
        from greenmongo.legacy import SONManipulator
        from greenmongo.legacy import GridFS

        old = Connection()
        new = MongoClient("h", 27017, auto_start_request=False)
        told = MongoClient("h", auto_start_request=True)
        """)


def test_old_options_and_methods_are_told_by_line() -> None:
    source = """\
        from pymongo import Connection
        c = Connection(slave_okay=True, network_timeout=3)
        c.shop.orders.insert({}, safe=True)
        c.shop.eval("1 + 1")
        c.shop.things.group([], {}, {}, "f")
        """
    assert [told.partition(": ")[0::2] for told in remarks(source)] == [
        ("2", "`network_timeout=`: today `socketTimeoutMS`, or `timeoutMS`, in milliseconds"),
        ("2", "`slave_okay=`: today `read_preference=ReadPreference.SECONDARY_PREFERRED`"),
        (
            "3",
            "`insert`: works on what a `Connection` gives you; today `insert_one`, `insert_many`",
        ),
        (
            "3",
            "`safe=`: write concern: `w=0` says that nobody waits; everything else is acknowledged",
        ),
        ("4", "`eval`: servers since 4.2 cannot do it: `aggregate` with `$expr`, `$function`"),
        ("5", "`group`: servers since 4.2 cannot do it: `aggregate` with `$group`"),
    ]


def test_common_names_are_not_told_in_files_of_today() -> None:
    assert remarks("from pymongo import MongoClient\nnames.insert(0, re.m.group(1))\n") == []


def test_a_module_named_in_a_string_is_told() -> None:
    source = "import pymongo\npatch('pymongo.collection.Collection.find', pymongo.MongoClient)\n"
    (told,) = remarks(source)
    assert told.startswith("2: a string names `pymongo.collection.Collection.find`")


SERVICE = """\
    from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase

    client = AsyncIOMotorClient("mongodb://h", io_loop=loop)
    db = client.shop


    class Orders:
        def __init__(self, db: AsyncIOMotorDatabase):
            self.orders = db["orders"]

        async def report(self):
            async for row in self.orders.aggregate([]):
                print(row)
            rows = await self.orders.aggregate([]).to_list(None)
            cursor = self.orders.find({}).sort("x")
            cursor.rewind()
            return rows, client.address

        async def pay(self):
            async with await client.start_session() as session:
                async with session.start_transaction():
                    await self.orders.update_one({}, {}, session=session)

        async def follow(self):
            async with self.orders.watch() as stream:
                async for change in stream:
                    print(change)

    async def stop():
        client.close()
    """


def test_motor_becomes_pymongos_async_api() -> None:
    assert moved(SERVICE, motor_becomes_async=True) == textwrap.dedent("""\
        from greenmongo import AsyncMongoClient
        from greenmongo.asynchronous.database import AsyncDatabase

        client = AsyncMongoClient("mongodb://h")
        db = client.shop


        class Orders:
            def __init__(self, db: AsyncDatabase):
                self.orders = db["orders"]

            async def report(self):
                async for row in await self.orders.aggregate([]):
                    print(row)
                rows = await (await self.orders.aggregate([])).to_list(None)
                cursor = self.orders.find({}).sort("x")
                await cursor.rewind()
                return rows, await client.address

            async def pay(self):
                async with client.start_session() as session:
                    async with await session.start_transaction():
                        await self.orders.update_one({}, {}, session=session)

            async def follow(self):
                async with await self.orders.watch() as stream:
                    async for change in stream:
                        print(change)

        async def stop():
            await client.close()
        """)


def test_what_is_moved_once_is_not_moved_again() -> None:
    once = moved(SERVICE, motor_becomes_async=True)
    assert moved(once, motor_becomes_async=True) == once
    assert moved(moved(SERVICE)) == moved(SERVICE)


def test_a_coroutine_in_a_function_that_cannot_await_is_told() -> None:
    source = """\
        from motor.motor_asyncio import AsyncIOMotorClient
        client = AsyncIOMotorClient()
        def stop():
            client.close()
        """
    assert "client.close()" in moved(source, motor_becomes_async=True)
    assert remarks(source, motor_becomes_async=True) == [
        "4: this is a coroutine now, and this function cannot await it"
    ]


def test_a_method_of_an_unknown_object_is_left_alone_and_told() -> None:
    source = """\
        from motor.motor_asyncio import AsyncIOMotorClient
        async def f(things):
            things.close()
            return things.aggregate([])
        """
    assert moved(source, motor_becomes_async=True) == textwrap.dedent(source).replace(
        "from motor.motor_asyncio import AsyncIOMotorClient",
        "from greenmongo import AsyncMongoClient",
    )
    assert remarks(source, motor_becomes_async=True) == [
        "4: `aggregate`: if this is MongoDB's, await it"
    ]


def test_what_is_no_python_3_is_refused() -> None:
    with pytest.raises(libcst.ParserSyntaxError):
        moved("from pymongo import Connection\nprint 'old'\n")


# ---- the command --------------------------------------------------------------------------------

CLIENT = "from pymongo import MongoClient\n"


def test_the_command_shows_a_diff_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "app.py"
    file.write_text(CLIENT)
    assert main(["migrate", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "-from pymongo import MongoClient\n+from greenmongo import MongoClient\n" in told.out
    assert told.err == "1 file to change, 0 lines to look at; --write does it\n"
    assert file.read_text() == CLIENT


def test_the_command_writes_when_asked_to(tmp_path: Path) -> None:
    file = tmp_path / "package" / "app.py"
    file.parent.mkdir()
    file.write_text(CLIENT)
    assert main(["migrate", "--write", str(file)]) == 0
    assert file.read_text() == "from greenmongo import MongoClient\n"


def test_what_is_installed_or_hidden_is_left_alone(tmp_path: Path) -> None:
    files = [tmp_path / name / "app.py" for name in (".venv", "build", "site-packages")]
    for file in files:
        file.parent.mkdir()
        file.write_text(CLIENT)
    assert main(["migrate", "--write", str(tmp_path)]) == 0
    assert {file.read_text() for file in files} == {CLIENT}


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text("from pymongo import Connection\nprint 'old'\n")
    new.write_text(CLIENT)
    assert main(["migrate", "--write", str(tmp_path)]) == 1
    assert f"{old}:2: left alone: this is not Python 3" in capsys.readouterr().out
    assert new.read_text() == "from greenmongo import MongoClient\n"


def test_a_path_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["migrate", "/nowhere/app.py"])
    assert caught.value.code == 2
    assert "/nowhere/app.py does not exist" in capsys.readouterr().err
