"""A file is read as `io.BytesIO` is, and only the chunks that are needed are asked for."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from gridfs.errors import CorruptGridFile
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._core.gridfs.reader import FileReader, ReadSteps


class Store:
    """Chunks in a list, and which of them were asked for."""

    def __init__(self, data: bytes, chunk_size: int) -> None:
        self.reader = FileReader(len(data), chunk_size)
        self.chunks: dict[int, Any] = {
            n: {"n": n, "data": data[n * chunk_size : (n + 1) * chunk_size]}
            for n in range(-(-len(data) // chunk_size))
        }
        self.asked: list[tuple[int, int]] = []

    def run(self, steps: ReadSteps[Any]) -> Any:
        try:
            need = next(steps)
            while True:
                self.asked.append(need)
                later = [n for n in sorted(self.chunks) if n >= need[0]]
                need = steps.send(self.chunks[later[0]] if later else None)
        except StopIteration as end:
            return end.value

    def read(self, size: int = -1) -> Any:
        return self.run(self.reader.steps(size))


CALLS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 40)),
    st.tuples(st.just("readline"), st.integers(-1, 40)),
    st.tuples(st.just("readchunk")),
    st.tuples(st.just("seek"), st.integers(0, 60), st.just(os.SEEK_SET)),
    st.tuples(st.just("seek"), st.integers(-60, 60), st.just(os.SEEK_CUR)),
    st.tuples(st.just("seek"), st.integers(-60, 60), st.just(os.SEEK_END)),
)


@given(
    data=st.binary(max_size=50) | st.lists(st.sampled_from([b"a", b"\n"])).map(b"".join),
    chunk_size=st.integers(1, 20),
    calls=st.lists(CALLS, max_size=12),
)
def test_any_calls_return_what_those_of_a_file_in_memory_do(
    data: bytes, chunk_size: int, calls: list[tuple[Any, ...]]
) -> None:
    store, file = Store(data, chunk_size), io.BytesIO(data)
    reader = store.reader
    for name, *arguments in calls:
        if name == "seek":
            base = {os.SEEK_CUR: file.tell(), os.SEEK_END: len(data)}.get(arguments[1], 0)
            if base + arguments[0] < 0:
                with pytest.raises(OSError, match="must be positive"):
                    reader.seek(*arguments)
            else:
                assert reader.seek(*arguments) == file.seek(*arguments)
        elif name == "readchunk":
            size = chunk_size - file.tell() % chunk_size
            assert store.run(reader.chunk_steps()) == file.read(size)
        else:
            steps = reader.steps(arguments[0], is_line=name == "readline")
            assert store.run(steps) == getattr(file, name)(arguments[0])
        assert reader.position == file.tell()


def test_a_read_in_the_middle_asks_for_no_chunk_before_it() -> None:
    store = Store(bytes(100), 10)
    store.reader.seek(55, os.SEEK_SET)

    store.read(10)

    assert [n for n, _ in store.asked] == [5, 6]
    assert store.asked[0] == (5, 2)


def test_to_seek_within_the_chunk_that_is_here_asks_for_nothing() -> None:
    store = Store(bytes(range(100)), 10)
    store.read(5)
    asked = len(store.asked)

    store.reader.seek(2, os.SEEK_SET)

    assert store.read(3) == bytes([2, 3, 4])
    assert len(store.asked) == asked


def test_an_empty_file_asks_for_no_chunk() -> None:
    store = Store(b"", 10)

    assert (store.read(), store.read(3), store.run(store.reader.chunk_steps())) == (b"",) * 3
    assert store.asked == []


def test_the_last_chunk_is_asked_for_with_whatever_is_behind_it() -> None:
    store = Store(bytes(25), 10)

    store.read()

    assert store.asked[0] == (0, 4)


def test_a_read_that_is_given_up_has_not_moved() -> None:
    store = Store(bytes(100), 10)
    store.reader.seek(5, os.SEEK_SET)
    steps = store.reader.steps(50)
    n, _ = next(steps)
    steps.send(store.chunks[n])

    steps.close()

    assert store.reader.position == 5


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda chunks: chunks.pop(1), "Missing chunk: expected chunk #1 but found .* n=2"),
        (lambda chunks: chunks.pop(2), "no chunk #2"),
        (lambda chunks: chunks[1].update(data=b"x"), "truncated chunk #1: .* be 10 .* length 1"),
        (lambda chunks: chunks[2].update(data=b"x"), "truncated chunk #2: .* be 5 .* length 1"),
        (lambda chunks: chunks[1].update(data=bytes(11)), "truncated chunk #1: .* length 11"),
        (lambda chunks: chunks[1].pop("data"), "chunk #1 has no data"),
        (lambda chunks: chunks.update({3: {"n": 3, "data": b"x"}}), "expected 3 chunks .* n=3"),
    ],
)
def test_chunks_that_cannot_be_are_refused(change: Any, text: str) -> None:
    store = Store(bytes(25), 10)
    change(store.chunks)

    with pytest.raises(CorruptGridFile, match=text):
        store.read()


def test_an_extra_chunk_that_is_empty_does_not_count() -> None:
    store = Store(bytes(25), 10)
    store.chunks[3] = {"n": 3, "data": b""}

    assert store.read() == bytes(25)


def test_a_file_cannot_have_chunks_of_no_size() -> None:
    with pytest.raises(CorruptGridFile, match="cannot have chunks of 0"):
        FileReader(5, 0)


def test_there_is_no_other_way_to_seek() -> None:
    with pytest.raises(OSError, match="whence"):
        FileReader(5, 5).seek(0, 7)
