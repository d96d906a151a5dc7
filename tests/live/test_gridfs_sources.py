"""What a file can be written from and read into, and in whose place the user's objects run."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import greenmongo
from bridge import AsyncGridFSBucket, AsyncMongoClient
from greenmongo.gridfs import GridFSBucket

pytestmark = [pytest.mark.live, pytest.mark.anyio]

DATA = bytes(range(251)) * 40_000
"""Ten million bytes: three messages, and no end of a chunk at that of a piece."""
PIECES = [DATA[n : n + 100_003] for n in range(0, len(DATA), 100_003)]


class Spy:
    """A file object that notes in which threads it was used."""

    def __init__(self, data: bytes = b"") -> None:
        self._file = io.BytesIO(data)
        self.threads: set[int] = set()

    def read(self, size: int) -> bytes:
        self.threads.add(threading.get_ident())
        # As sockets and pipes do, less than was asked for.
        return self._file.read(min(size, 77_777))

    def write(self, data: bytes) -> int:
        self.threads.add(threading.get_ident())
        return self._file.write(data)

    @property
    def data(self) -> bytes:
        return self._file.getvalue()


class Awaited:
    """A file object whose methods are coroutine functions."""

    def __init__(self, data: bytes = b"") -> None:
        self._spy = Spy(data)
        self.tasks: set[object] = set()

    async def read(self, size: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        self.tasks.add(anyio.get_current_task().id)
        return self._spy.read(size)

    async def write(self, data: bytes) -> int:
        await anyio.lowlevel.checkpoint()
        self.tasks.add(anyio.get_current_task().id)
        return self._spy.write(data)

    @property
    def data(self) -> bytes:
        return self._spy.data


async def in_pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        await anyio.lowlevel.checkpoint()
        yield piece


@pytest.fixture
def blocking_bucket(mongo_uri: str) -> Iterator[GridFSBucket]:
    with greenmongo.MongoClient[Any](mongo_uri) as client:
        client.drop_database("sources")
        yield GridFSBucket(client["sources"])
        client.drop_database("sources")


@pytest.fixture
async def bucket(mongo_uri: str) -> AsyncIterator[AsyncGridFSBucket]:
    async with AsyncMongoClient[Any](mongo_uri) as client:
        await client.drop_database("sources")
        yield AsyncGridFSBucket(client["sources"])
        await client.drop_database("sources")


async def stored(bucket: AsyncGridFSBucket, source: Any) -> bytes:
    file_id = await bucket.upload_from_stream("f", source)
    async with await bucket.open_download_stream(file_id) as grid_out:
        assert grid_out.length == len(DATA)
        return await grid_out.read()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(lambda: DATA, id="bytes"),
        pytest.param(lambda: bytearray(DATA), id="bytearray"),
        pytest.param(lambda: memoryview(DATA), id="memoryview"),
        pytest.param(lambda: io.BytesIO(DATA), id="in_memory"),
        pytest.param(lambda: Spy(DATA), id="file_object"),
        pytest.param(lambda: PIECES, id="list"),
        pytest.param(lambda: iter(PIECES), id="iterator"),
    ],
)
def test_blocking_code_stores_any_source(blocking_bucket: GridFSBucket, source: Any) -> None:
    file_id = blocking_bucket.upload_from_stream("f", source())

    assert blocking_bucket.open_download_stream(file_id).read() == DATA


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(lambda: DATA, id="bytes"),
        pytest.param(lambda: bytearray(DATA), id="bytearray"),
        pytest.param(lambda: io.BytesIO(DATA), id="in_memory"),
        pytest.param(lambda: Spy(DATA), id="file_object"),
        pytest.param(lambda: Awaited(DATA), id="async_file_object"),
        pytest.param(lambda: PIECES, id="list"),
        pytest.param(in_pieces, id="async_iterator"),
    ],
)
async def test_a_task_stores_any_source(bucket: AsyncGridFSBucket, source: Any) -> None:
    assert await stored(bucket, source()) == DATA


async def test_files_of_anyio_are_sources_and_sinks(
    bucket: AsyncGridFSBucket, tmp_path: Path
) -> None:
    (tmp_path / "from").write_bytes(DATA)
    async with await anyio.open_file(tmp_path / "from", "rb") as source:
        file_id = await bucket.upload_from_stream("f", source)
    async with await anyio.open_file(tmp_path / "to", "wb") as destination:
        await bucket.download_to_stream(file_id, destination)

    assert (tmp_path / "to").read_bytes() == DATA


async def test_a_stored_file_is_a_source(bucket: AsyncGridFSBucket) -> None:
    first = await bucket.upload_from_stream("first", DATA)

    assert await stored(bucket, await bucket.open_download_stream(first)) == DATA


@pytest.mark.parametrize("kind", [io.BytesIO, Spy, Awaited])
async def test_a_task_reads_into_any_sink(bucket: AsyncGridFSBucket, kind: Any) -> None:
    file_id = await bucket.upload_from_stream("f", DATA)
    by_id, by_name = kind(), kind()

    await bucket.download_to_stream(file_id, by_id)
    await bucket.download_to_stream_by_name("f", by_name)

    for sink in (by_id, by_name):
        assert (sink.getvalue() if isinstance(sink, io.BytesIO) else sink.data) == DATA


def test_file_objects_of_blocking_code_run_in_its_thread(blocking_bucket: GridFSBucket) -> None:
    source, sink = Spy(DATA), Spy()

    blocking_bucket.download_to_stream(blocking_bucket.upload_from_stream("f", source), sink)

    assert source.threads == sink.threads == {threading.get_ident()}


async def test_file_objects_of_a_task_that_block_run_in_worker_threads(
    bucket: AsyncGridFSBucket,
) -> None:
    source, sink = Spy(DATA), Spy()

    await bucket.download_to_stream(await bucket.upload_from_stream("f", source), sink)

    here = {threading.get_ident()}
    hub = {await bucket._parent.client.run(threading.get_ident)}
    assert source.threads
    assert sink.threads
    assert not (source.threads | sink.threads) & (here | hub)


async def test_async_file_objects_are_awaited_in_the_callers_task(
    bucket: AsyncGridFSBucket,
) -> None:
    source, sink = Awaited(DATA), Awaited()

    await bucket.download_to_stream(await bucket.upload_from_stream("f", source), sink)

    assert source.tasks == sink.tasks == {anyio.get_current_task().id}


async def test_a_loop_goes_on_while_a_source_blocks(bucket: AsyncGridFSBucket) -> None:
    begun, gate = threading.Event(), threading.Event()

    class Slow(Spy):
        def read(self, size: int) -> bytes:
            begun.set()
            assert gate.wait(10)
            return super().read(size)

    async with anyio.create_task_group() as group:
        group.start_soon(bucket.upload_from_stream, "f", Slow(DATA))
        assert await anyio.to_thread.run_sync(begun.wait, 10)
        gate.set()

    assert await (await bucket.open_download_stream_by_name("f")).read() == DATA


async def test_who_is_cancelled_does_not_wait_for_a_source(bucket: AsyncGridFSBucket) -> None:
    gate = threading.Event()

    class Stuck(Spy):
        def read(self, size: int) -> bytes:
            gate.wait(30)
            return b""

    try:
        with anyio.move_on_after(0.1) as scope:
            await bucket.upload_from_stream("f", Stuck())
    finally:
        gate.set()

    assert scope.cancelled_caught


@pytest.mark.parametrize("source", [5, None, ["text"], "text"])
async def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    bucket: AsyncGridFSBucket, source: Any
) -> None:
    with pytest.raises(TypeError):
        await bucket.upload_from_stream("f", source)

    assert await bucket.find().to_list() == []


async def test_text_is_encoded(bucket: AsyncGridFSBucket) -> None:
    async with bucket.open_upload_stream("f") as grid_in:
        grid_in.encoding = "utf-16"
        await grid_in.write("äöü")
        await grid_in.write(["a", b"b"])

    data = await (await bucket.open_download_stream(grid_in._id)).read()
    assert data == "äöü".encode("utf-16") + "a".encode("utf-16") + b"b"


async def test_a_source_that_fails_leaves_no_chunk_and_raises_its_error(
    bucket: AsyncGridFSBucket,
) -> None:
    class Failure(Exception):
        pass

    async def failing() -> AsyncIterator[bytes]:
        yield DATA
        raise Failure

    with pytest.raises(Failure):
        await bucket.upload_from_stream("f", failing())

    chunks = bucket._parent["fs.chunks"]
    assert await chunks.count_documents({}) == 0


def test_nobody_iterates_over_a_source_of_async_code_in_a_thread(
    blocking_bucket: GridFSBucket,
) -> None:
    with pytest.raises(TypeError):
        blocking_bucket.upload_from_stream("f", in_pieces())
