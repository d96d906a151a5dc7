"""The page for those who come from PyMongo 2 and gevent: every call on it is made.

An old call and the call of today beside it start from the same documents; afterwards the
collection must be the same, and so must what they returned, if both returned plain values.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson.codec_options import CodecOptions
from bson.son import SON
from pymongo.results import UpdateResult
from pymongo.uri_parser import parse_uri

from greenmongo import (
    CommandCursor,
    Connection,
    Cursor,
    MongoClient,
    ReadPreference,
    ReturnDocument,
    WriteConcern,
)
from greenmongo.legacy import RemovedFromServer
from tests.support.fix_hub import without_reports
from tests.support.fix_leaks import wait_until

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/migrate_from_pymongo2_gevent.md").read_text(encoding="utf-8")
DB = "test_gevent_page"
ROW = re.compile(r"^\| `(?P<old>.+?)` \| (?P<note>[^|]*) \| (?P<today>.+) \|$", re.MULTILINE)
SNIPPET = re.compile(r"^```python gevent-page\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = {
    "CodecOptions": CodecOptions,
    "MAP": "function () { emit(this.kind, this.x); }",
    "REDUCE": "function (key, values) { return Array.sum(values); }",
    "ReadPreference": ReadPreference,
    "ReturnDocument": ReturnDocument,
    "SON": SON,
    "WriteConcern": WriteConcern,
}

CALLS, GONE = PAGE.split("### Gone from the server")
BOTH = [(row["old"], row["today"]) for row in ROW.finditer(CALLS.split("## Call by call")[1])]
REMOVED = [(row["old"], row["note"], row["today"]) for row in ROW.finditer(GONE)]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


OF_THE_MOMENT = {"$clusterTime", "operationTime"}


class Scene:
    """The documents that a call finds, and what it leaves behind."""

    def __init__(self, reference: pymongo.MongoClient[Any]) -> None:
        self.db = reference[DB]

    def prepare(self) -> None:
        # Dropping the database each time would make this the slowest module of all.
        for name in self.db.list_collection_names():
            if name != "things" or len(self.db.things.index_information()) > 1:
                self.db[name].drop()
        for user in self.db.command("usersInfo", 1)["users"]:
            self.db.command("dropUser", user["user"])
        self.db.things.delete_many({})
        kinds = ("a", "b", "a")
        self.db.things.insert_many(
            [{"_id": n, "x": n, "kind": kind} for n, kind in enumerate(kinds, 1)]
        )

    def call(self, client: Any, code: str) -> Any:
        names = {"client": client, "db": client[DB], "things": client[DB].things}
        result = eval(code, {**NAMES, **names})
        if isinstance(result, dict):
            return {name: part for name, part in result.items() if name not in OF_THE_MOMENT}
        return list(result) if isinstance(result, Cursor | CommandCursor) else result

    def left(self) -> tuple[Any, ...]:
        users = self.db.command("usersInfo", 1)["users"]
        roles = [(user["user"], [role["role"] for role in user["roles"]]) for user in users]
        names = sorted(self.db.list_collection_names())
        indexes = {name: self.db[name].index_information() for name in names}
        return [list(self.db[name].find(sort=[("_id", 1)])) for name in names], indexes, roles


@pytest.fixture
def scene(reference: pymongo.MongoClient[Any]) -> Scene:
    made = Scene(reference)
    made.prepare()
    return made


@pytest.fixture(scope="module", autouse=True)
def clean(reference: pymongo.MongoClient[Any]) -> Iterator[None]:
    yield
    Scene(reference).prepare()
    reference.drop_database(DB)


@pytest.fixture(scope="module")
def connection(mongo_uri: str) -> Iterator[Connection[dict[str, Any]]]:
    with Connection[dict[str, Any]](mongo_uri) as client:
        yield client


@pytest.fixture(scope="module")
def modern(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client


def test_the_page_has_its_tables() -> None:
    assert len(BOTH) > 60
    assert len(REMOVED) > 10


@pytest.mark.parametrize(("old", "today"), BOTH, ids=[old for old, _ in BOTH])
def test_the_call_of_today_does_what_the_old_one_does(
    scene: Scene, connection: Any, modern: Any, old: str, today: str
) -> None:
    (today,) = codes(today)
    connection[DB].things.drop_indexes()  # so that it remembers none
    before = scene.call(connection, old)
    # Unacknowledged, it happens in the server's own time.
    connection[DB].things.find_one()
    left = scene.left()
    scene.prepare()
    now = scene.call(modern, today)
    wait_until(lambda: scene.left() == left)
    if "map_reduce" in old:
        # In whatever order they are reduced.
        before, now = sorted(before, key=str), sorted(now, key=str)
    if before is not None and not isinstance(now, UpdateResult):
        assert now == before


@pytest.mark.parametrize(("old", "version", "today"), REMOVED, ids=[old for old, *_ in REMOVED])
def test_what_is_gone_is_refused_and_replaced(
    scene: Scene, connection: Any, modern: Any, old: str, version: str, today: str
) -> None:
    with pytest.raises(RemovedFromServer) as caught:
        scene.call(connection, old)
    assert caught.value.removed_in == version.strip()
    for code in codes(today):
        assert scene.call(modern, code)


# The three ways to use gevent, as they stood in PyMongo's own documentation.

PROBES = {
    "patch_all": """
import gevent
bound = []
def greenlet_id():
    connection.test.things.find_one()
    first = connection.admin.command("hello")["connectionId"]
    bound.append(first)
    while len(bound) < 5:
        gevent.sleep(0.01)
    assert connection.in_request()
    return first, connection.admin.command("hello")["connectionId"]
jobs = [gevent.spawn(greenlet_id) for _ in range(5)]
ids = [job.get() for job in jobs]
assert all(first == second for first, second in ids), ids
assert len(set(ids)) == 5, ids
print("ok")
""",
    "patch_socket": """
import threading
import gevent
assert connection.use_greenlets
bound = []
def ids_of_greenlets(found):
    def greenlet_id():
        first = connection.admin.command("hello")["connectionId"]
        bound.append(first)
        while len(bound) < 9:
            gevent.sleep(0.01)
        assert connection.admin.command("hello")["connectionId"] == first
        found.append(first)
    gevent.joinall([gevent.spawn(greenlet_id) for _ in range(3)], raise_error=True)
found = []
threads = [threading.Thread(target=ids_of_greenlets, args=(found,)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(set(found)) == len(found) == 9, found
print("ok")
""",
    "replica_set": """
import gc
import gevent
import greenlet
connection.start_request()
connection.shop.orders.find_one()
assert connection.in_request()
connection.end_request()
hub = gevent.get_hub()
greenlets = [it for it in gc.get_objects() if isinstance(it, greenlet.greenlet)]
assert not [it for it in greenlets if it.parent is hub]
gevent.get_hub().join()
print("ok")
""",
}


@pytest.mark.gevent_patched
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("snippet", "probe"),
    list(zip([match["code"] for match in SNIPPET.finditer(PAGE)], PROBES, strict=True)),
    ids=list(PROBES),
)
def test_the_snippets_of_the_old_gevent_page_run(
    snippet: str, probe: str, mongo_uri: str, reference: pymongo.MongoClient[Any]
) -> None:
    reference.drop_database("shop")
    name = parse_uri(mongo_uri)["options"]["replicaSet"]
    # The server is not where it would be by default; nothing else is changed.
    code = (
        snippet.replace("Connection()", f"Connection({mongo_uri!r})")
        .replace("Connection(use_greenlets", f"Connection({mongo_uri!r}, use_greenlets")
        .replace("mongodb://localhost:27017/", mongo_uri)
        .replace("repl0", name)
    )
    assert code != snippet
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + PROBES[probe]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    reference.drop_database("shop")
    assert (without_reports(done.stderr), done.returncode) == ("", 0)
    assert done.stdout.split() == (["1", "ok"] if probe == "replica_set" else ["ok"])
