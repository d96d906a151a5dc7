"""`python -m benchmarks.driverbench DIR`: MongoDB's driver benchmark, ours beside PyMongo's.

The specification "Performance Benchmarking" with its data files, below DIR/source/benchmarking.
A task's score is its size in megabytes divided by the median of its iterations, and DriverBench is
the average of ReadBench and WriteBench. The benchmarks of BSON are left out: all drivers here use
PyMongo's BSON. Iterations of the drivers alternate, each in a process of its own. The
specification wants a minute of each task; `--seconds` is less, and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo.operations import DeleteOne, InsertOne, ReplaceOne

from benchmarks.report import lay_out, say

ROOT = Path(__file__).parent.parent
DATABASE = "perftest"
"""Of each driver a database of its own, so that their iterations can alternate."""
WORKERS = 8
MOST_ITERATIONS = 100
DOCUMENTS_OF_A_FILE = 5000
BUCKET_FILE = "gridfstest"
DRIVERS = ("bridge", "PyMongo async", "greenmongo", "PyMongo")
ARCHIVES = ("single_and_multi_document", "parallel")
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """One micro-benchmark: its steps are methods of `Bench`, named after it."""

    title: str
    megabytes: float
    setup: str
    before: str
    do: str
    kinds: tuple[str, ...] = ()
    """The composites that it counts in."""
    scale: int = 10_000


_SINGLE, _MULTI, _PARALLEL = "SingleBench", "MultiBench", "ParallelBench"
_READ, _WRITE = "ReadBench", "WriteBench"
COMPOSITES = (_SINGLE, _MULTI, _PARALLEL, _READ, _WRITE)
_SMALL, _LARGE = 2.75, 27.310890

TASKS = (
    Task("Run command", 0.13, "nothing", "nothing", "run_command"),
    Task("Find one by ID", 16.22, "tweets", "nothing", "find_one", (_SINGLE, _READ)),
    Task("Small doc insertOne", _SMALL, "small", "empty", "insert_one", (_SINGLE, _WRITE)),
    Task("Large doc insertOne", _LARGE, "large", "empty", "insert_one", (_SINGLE, _WRITE), 10),
    Task("Find many and empty the cursor", 16.22, "tweets", "nothing", "find_many",
         (_MULTI, _READ)),
    Task("Small doc bulk insert", _SMALL, "small", "empty", "insert_many", (_MULTI, _WRITE)),
    Task("Large doc bulk insert", _LARGE, "large", "empty", "insert_many", (_MULTI, _WRITE), 10),
    Task("Small doc Collection BulkWrite insert", _SMALL, "small", "empty", "bulk_insert",
         (_MULTI, _WRITE)),
    Task("Large doc Collection BulkWrite insert", _LARGE, "large", "empty", "bulk_insert",
         (_MULTI, _WRITE), 10),
    Task("Small doc Collection BulkWrite Mixed Operations", 5.5, "small", "empty", "bulk_mixed",
         (_MULTI, _WRITE)),
    Task("Small doc Client BulkWrite insert", _SMALL, "small", "empty", "client_insert",
         (_MULTI, _WRITE)),
    Task("Large doc Client BulkWrite insert", _LARGE, "large", "empty", "client_insert",
         (_MULTI, _WRITE), 10),
    Task("Small doc Client BulkWrite Mixed Operations", 5.5, "small", "empty_ten", "client_mixed",
         (_MULTI, _WRITE)),
    Task("GridFS upload", 52.4288, "gridfs", "empty_bucket", "upload", (_MULTI, _WRITE)),
    Task("GridFS download", 52.4288, "stored_file", "nothing", "download", (_MULTI, _READ)),
    Task("LDJSON multi-file import", 565.0, "nothing", "empty", "import_files",
         (_PARALLEL, _WRITE)),
    Task("LDJSON multi-file export", 565.0, "imported", "nothing", "export_files",
         (_PARALLEL, _READ)),
    Task("GridFS multi-file upload", 262.144, "nothing", "empty_bucket", "upload_files",
         (_PARALLEL, _WRITE)),
    Task("GridFS multi-file download", 262.144, "stored_files", "nothing", "download_files",
         (_PARALLEL, _READ)),
)  # fmt: skip


def connect(driver: str, uri: str) -> tuple[Any, Any]:
    """Return a driver's client and its GridFSBucket class."""
    if driver == "bridge":
        from bridge import AsyncGridFSBucket, AsyncMongoClient

        return AsyncMongoClient(uri, w=1), AsyncGridFSBucket
    if driver == "greenmongo":
        from greenmongo import GridFSBucket, MongoClient

        return MongoClient(uri, w=1), GridFSBucket
    import gridfs
    import pymongo

    if driver == "PyMongo":
        return pymongo.MongoClient(uri, w=1), gridfs.GridFSBucket
    return pymongo.AsyncMongoClient(uri, w=1), gridfs.AsyncGridFSBucket


def documents_in(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a file, one in each line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


async def settle(value: Any) -> Any:
    """Wait for what a method of an async class returned; of a blocking one it is the result."""
    return await value if asyncio.iscoroutine(value) or hasattr(value, "__await__") else value


class Bench:
    """The steps of all tasks, for one driver; blocking ones never suspend."""

    def __init__(self, driver: str, uri: str, data: Path, share: float) -> None:
        self._client, self._make_bucket = connect(driver, uri)
        self.is_async = driver in {"bridge", "PyMongo async"}
        self._data, self._share = data, share
        self._name = f"{DATABASE}_{DRIVERS.index(driver)}"
        self._database = self._client[self._name]
        self._things = self._database.corpus
        self._count = 0
        self._document: dict[str, Any] = {}
        self._content = b""
        self._file_id: Any = None
        self._folder = tempfile.TemporaryDirectory()

    # --- helpers ---

    def _bucket(self) -> Any:
        return self._make_bucket(self._database)

    def _load(self, name: str) -> dict[str, Any]:
        path = self._data / "single_and_multi_document" / f"{name}.json"
        found: dict[str, Any] = json_util.loads(path.read_text())
        return found

    def _files(self, folder: str) -> list[Path]:
        paths = sorted((self._data / "parallel" / folder).iterdir())
        return paths[: max(1, round(len(paths) * self._share))]

    def _copies(self) -> list[dict[str, Any]]:
        return [dict(self._document) for _ in range(self._count)]

    async def _for_each(self, items: list[Any], act: Callable[[Any], Awaitable[Any]]) -> None:
        """Act on several at a time: tasks, or threads."""
        if self.is_async:
            slots = asyncio.Semaphore(WORKERS)

            async def one(item: Any) -> None:
                async with slots:
                    await act(item)

            await asyncio.gather(*map(one, items))
        else:
            with ThreadPoolExecutor(WORKERS) as threads:
                list(threads.map(lambda item: run_through(act(item)), items))

    # --- setup ---

    async def setup(self, task: Task) -> None:
        """Do what is done once for a task."""
        self._count = max(1, round(task.scale * self._share))
        await settle(self._client.drop_database(self._name))
        await getattr(self, f"_{task.setup}")()

    async def _nothing(self) -> None:
        pass

    async def _tweets(self) -> None:
        tweet = self._load("tweet")
        documents = [{**tweet, "_id": number} for number in range(1, self._count + 1)]
        await settle(self._things.insert_many(documents))

    async def _small(self) -> None:
        self._document = self._load("small_doc")

    async def _large(self) -> None:
        self._document = self._load("large_doc")

    async def _gridfs(self) -> None:
        path = self._data / "single_and_multi_document" / "gridfs_large.bin"
        self._content = path.read_bytes()

    async def _stored_file(self) -> None:
        await self._gridfs()
        self._file_id = await settle(self._bucket().upload_from_stream(BUCKET_FILE, self._content))

    async def _imported(self) -> None:
        await self._import_files()

    async def _stored_files(self) -> None:
        await self._upload_files()

    # --- before each iteration ---

    async def before(self, task: Task) -> None:
        """Do what is done before each iteration."""
        await getattr(self, f"_{task.before}")()

    async def _empty(self) -> None:
        await settle(self._things.drop())
        await settle(self._database.create_collection("corpus"))

    async def _empty_ten(self) -> None:
        await settle(self._client.drop_database(self._name))
        for number in range(1, 11):
            await settle(self._database.create_collection(f"corpus_{number}"))

    async def _empty_bucket(self) -> None:
        database = self._database
        await settle(database["fs.files"].drop())
        await settle(database["fs.chunks"].drop())
        await settle(self._bucket().upload_from_stream("first", b"x"))

    # --- the tasks ---

    async def do(self, task: Task) -> float:
        """Do one iteration; return what it took in seconds, or would take at full size."""
        prepared = self._models(task)
        act = getattr(self, f"_{task.do}")
        begin = time.perf_counter()
        await (act(prepared) if prepared is not None else act())
        return (time.perf_counter() - begin) / self._fraction(task)

    def _fraction(self, task: Task) -> float:
        """Return how much of the specification's size an iteration has."""
        if task.megabytes > 500 or task.do in {"upload_files", "download_files"}:
            folder = "ldjson_multi" if task.megabytes > 500 else "gridfs_multi"
            return len(self._files(folder)) / len(
                list((self._data / "parallel" / folder).iterdir())
            )
        return 1.0 if task.do in {"upload", "download"} else self._count / task.scale

    async def teardown(self, task: Task) -> None:
        """Leave nothing behind."""
        await settle(self._client.drop_database(self._name))

    def _models(self, task: Task) -> list[Any] | None:
        """Return what is not part of the measured time: documents and models of writes."""
        if task.do in {"insert_one", "insert_many"}:
            return self._copies()
        if task.do in {"bulk_insert", "client_insert"}:
            return [InsertOne(each, **self._names(task, 0)) for each in self._copies()]
        if task.do in {"bulk_mixed", "client_mixed"}:
            models: list[Any] = []
            for number, each in enumerate(self._copies()):
                names = self._names(task, number % 10 + 1)
                models += (
                    InsertOne(each, **names),
                    ReplaceOne({}, dict(self._document), **names),
                    DeleteOne({}, **names),
                )
            return models
        return None

    def _names(self, task: Task, number: int) -> dict[str, Any]:
        if not task.do.startswith("client"):
            return {}
        return {"namespace": f"{self._name}.corpus" + (f"_{number}" if number else "")}

    async def _run_command(self) -> None:
        database = self._database
        for _ in range(self._count):
            await settle(database.command({"hello": True}))

    async def _find_one(self) -> None:
        for number in range(1, self._count + 1):
            await settle(self._things.find_one({"_id": number}))

    async def _insert_one(self, documents: list[Any]) -> None:
        for document in documents:
            await settle(self._things.insert_one(document))

    async def _find_many(self) -> None:
        if self.is_async:
            async for _ in self._things.find({}):
                pass
        else:
            for _ in self._things.find({}):
                pass

    async def _insert_many(self, documents: list[Any]) -> None:
        await settle(self._things.insert_many(documents, ordered=True))

    async def _bulk_insert(self, models: list[Any]) -> None:
        await settle(self._things.bulk_write(models, ordered=True))

    _bulk_mixed = _bulk_insert

    async def _client_insert(self, models: list[Any]) -> None:
        await settle(self._client.bulk_write(models, ordered=True))

    _client_mixed = _client_insert

    async def _upload(self) -> None:
        await settle(self._bucket().upload_from_stream("large", self._content))

    async def _download(self) -> None:
        stream = await settle(self._bucket().open_download_stream(self._file_id))
        await settle(stream.read())

    async def _import_files(self) -> None:
        async def load(path: Path) -> None:
            await settle(self._things.insert_many(documents_in(path), ordered=False))

        await self._for_each(self._files("ldjson_multi"), load)

    async def _export_files(self) -> None:
        total = await settle(self._things.estimated_document_count())
        whole = await settle(self._things.find({}, {"_id": 1}).sort("_id", 1).to_list())
        ids = [document["_id"] for document in whole]
        starts = range(0, total, DOCUMENTS_OF_A_FILE)

        async def dump(start: int) -> None:
            last = ids[min(start + DOCUMENTS_OF_A_FILE, total) - 1]
            query = {"_id": {"$gte": ids[start], "$lte": last}}
            found = await settle(self._things.find(query, {"_id": 0}).to_list())
            with (Path(self._folder.name) / f"{start}.txt").open("w") as file:
                file.writelines(json.dumps(document) + "\n" for document in found)

        await self._for_each(list(starts), dump)

    async def _upload_files(self) -> None:
        bucket = self._bucket()

        async def upload(path: Path) -> None:
            with path.open("rb") as file:
                await settle(bucket.upload_from_stream(path.name, file))

        await self._for_each(self._files("gridfs_multi"), upload)

    async def _download_files(self) -> None:
        bucket = self._bucket()

        async def download(path: Path) -> None:
            with (Path(self._folder.name) / path.name).open("wb") as file:
                await settle(bucket.download_to_stream_by_name(path.name, file))

        await self._for_each(self._files("gridfs_multi"), download)

    # --- the process ---

    async def serve(self) -> None:
        """Do the steps that arrive on standard input until it ends."""
        read = sys.stdin.readline
        while line := await asyncio.to_thread(read) if self.is_async else read():
            index, step = json.loads(line)
            taken = await getattr(self, step)(TASKS[index])
            sys.stdout.write(json.dumps(taken) + "\n")
            sys.stdout.flush()


def run_through(coroutine: Any) -> Any:
    """Run a coroutine that never suspends: that of a blocking driver."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a blocking driver suspended")


# --- the parent ------------------------------------------------------------------------------


class Contender:
    """A driver in a process of its own."""

    def __init__(self, driver: str, uri: str, data: Path, share: float) -> None:
        command = [sys.executable, "-m", "benchmarks.driverbench", str(data), "--inside", driver]
        self._process = subprocess.Popen(
            [*command, "--mongo-uri", uri, "--share", str(share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def do(self, index: int, step: str) -> Any:
        """Have a step done; return what it says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([index, step]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{TASKS[index].title}: {step} failed, see above")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(contenders: Mapping[str, Contender], index: int, seconds: float) -> dict[str, float]:
    """Return each driver's score of a task, in megabytes per second; iterations alternate."""
    for contender in contenders.values():
        contender.do(index, "setup")
    taken: dict[str, list[float]] = {driver: [] for driver in contenders}
    end = time.monotonic() + seconds * len(contenders)
    for turn in range(MOST_ITERATIONS):
        if turn and time.monotonic() > end:
            break
        for driver, contender in contenders.items():
            contender.do(index, "before")
            taken[driver].append(contender.do(index, "do"))
    for contender in contenders.values():
        contender.do(index, "teardown")
    size = TASKS[index].megabytes
    return {driver: size / statistics.median(times) for driver, times in taken.items()}


def composites(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the composite scores: averages of the tasks that were measured."""
    found: dict[str, dict[str, float]] = {}
    for composite in COMPOSITES:
        members = [scores[task.title] for task in TASKS if composite in task.kinds
                   and task.title in scores]  # fmt: skip
        if members:
            found[composite] = {
                driver: statistics.fmean(each[driver] for each in members) for driver in members[0]
            }
    if _READ in found and _WRITE in found:
        found["DriverBench"] = {
            driver: (found[_READ][driver] + found[_WRITE][driver]) / 2 for driver in found[_READ]
        }
    return found


def table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return a line for each task and composite: MB/s, and ours as a multiple of PyMongo's."""
    rows: list[tuple[str, ...]] = [("MB/s", *DRIVERS, "async ratio", "blocking ratio")]
    for title, each in {**scores, **composites(scores)}.items():
        pairs = ((DRIVERS[0], DRIVERS[1]), (DRIVERS[2], DRIVERS[3]))
        ratio = [
            f"{each[ours] / each[peer]:.2f}" if ours in each and peer in each else ""
            for ours, peer in pairs
        ]
        numbers = [f"{each[driver]:,.2f}" if driver in each else "" for driver in DRIVERS]
        rows.append((title, *numbers, *ratio))
    return lay_out(rows)


def extract(directory: Path, folder: str) -> Path:
    """Unpack the data files into `folder`."""
    archives = directory / "source" / "benchmarking" / "data"
    for name in ARCHIVES:
        with tarfile.open(archives / f"{name}.tgz") as archive:
            archive.extractall(folder, filter="data")
    return Path(folder)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.driverbench")
    parser.add_argument("specs", type=Path, help="DIR, with DIR/source/benchmarking/data below it")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each task and driver")
    parser.add_argument("--share", type=float, default=1.0, help="of the documents and files")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="tasks with such a word")
    parser.add_argument("--drivers", nargs="+", choices=DRIVERS, default=DRIVERS)
    parser.add_argument("--mongo-uri", help="a running mongod, instead of the embedded one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores there")
    parser.add_argument("--inside", choices=DRIVERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(options: argparse.Namespace, uri: str, data: Path) -> dict[str, dict[str, float]]:
    """Measure the tasks that are wanted and that the server can do."""
    import pymongo

    with pymongo.MongoClient[Any](uri) as client:
        version = client.server_info()["versionArray"]
    scores: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        contenders = {
            driver: Contender(driver, uri, data, options.share) for driver in options.drivers
        }
        for contender in contenders.values():
            stack.callback(contender.close)
        for index, task in enumerate(TASKS):
            if options.only and not any(word in task.title for word in options.only):
                continue
            if task.do.startswith("client") and version[0] < 8:
                say(f"left out: {task.title} (the server has no bulkWrite command before 8.0)")
                continue
            scores[task.title] = measure(contenders, index, options.seconds)
            say(f"{task.title}: {scores[task.title]}")
    return scores


def main() -> int:
    """Measure and print."""
    options = parse()
    if options.inside:
        bench = Bench(options.inside, options.mongo_uri, options.specs, options.share)
        if bench.is_async:
            asyncio.run(bench.serve())
        else:
            run_through(bench.serve())
        return 0
    with ExitStack() as stack:
        data = extract(options.specs, stack.enter_context(tempfile.TemporaryDirectory()))
        if options.mongo_uri:
            uri = options.mongo_uri
        else:
            from greenmongo.embedded import MongoServer

            uri = stack.enter_context(MongoServer()).uri
        scores = run(options, uri, data)
    print(table(scores))
    print(f"\n{options.seconds:g} s of each task and driver, {options.share:.0%} of the data")
    if options.json:
        options.json.write_text(json.dumps(scores, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
