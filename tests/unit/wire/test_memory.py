"""Memory for large messages."""

from __future__ import annotations

import mmap

import pytest

from greenmongo._wire.memory import new_buffer


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024])
def test_what_is_small_is_the_interpreters(size: int) -> None:
    buffer = new_buffer(size)
    assert isinstance(buffer.obj, bytearray)
    assert len(buffer) == size


def test_what_is_large_is_the_systems() -> None:
    buffer = new_buffer(3_000_000)
    assert isinstance(buffer.obj, mmap.mmap)
    assert (len(buffer), buffer[0], buffer[-1], buffer.readonly) == (3_000_000, 0, 0, False)


def test_a_platform_that_shares_all_maps_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenmongo._wire.memory._ANONYMOUS", 0)
    assert len(new_buffer(3_000_000)) == 3_000_000


@pytest.mark.parametrize("advice", [None, -1], ids=["not there", "refused"])
def test_large_pages_are_not_needed(monkeypatch: pytest.MonkeyPatch, advice: int | None) -> None:
    monkeypatch.setattr("greenmongo._wire.memory._HUGE_PAGES", advice)
    assert len(new_buffer(3_000_000)) == 3_000_000
