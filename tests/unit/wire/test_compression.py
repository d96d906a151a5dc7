from __future__ import annotations

import struct
import tracemalloc
import zlib
from importlib import import_module
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire import compression
from greenmongo._wire.compression import (
    COMPRESSORS,
    Compressor,
    choose_compressor,
    compress_message,
    decompress_message,
    is_available,
    zlib_compressor,
)
from greenmongo._wire.errors import WireError
from greenmongo._wire.header import HEADER, OP_COMPRESSED, OP_MSG
from greenmongo._wire.op_msg import encode_op_msg

MESSAGE = bytes(encode_op_msg(7, bson.encode({"ping": 1, "pad": "x" * 1000, "$db": "admin"})))
PLAIN = MESSAGE[16:]
IDS = {"snappy": 1, "zlib": 2, "zstd": 3}


@pytest.fixture(params=["snappy", "zlib", "zstd"])
def compressor(request: pytest.FixtureRequest) -> Compressor:
    name: str = request.param
    if not is_available(name):
        pytest.skip(f"the library for {name} is not installed")
    return COMPRESSORS[name]


def compressed(data: bytes, *, id: int, size: int, op_code: int = OP_MSG) -> bytes:
    return struct.pack("<iiB", op_code, size, id) + data


def test_compressors_have_the_numbers_of_the_specification() -> None:
    assert {name: each.id for name, each in COMPRESSORS.items()} == IDS
    assert {name: each.name for name, each in COMPRESSORS.items()} == {name: name for name in IDS}


def test_a_compressed_message_keeps_its_ids_and_shrinks(compressor: Compressor) -> None:
    wrapped = compress_message(MESSAGE, compressor)
    assert HEADER.unpack_from(wrapped) == (len(wrapped), 7, 0, OP_COMPRESSED)
    assert struct.unpack_from("<iiB", wrapped, 16) == (OP_MSG, len(PLAIN), compressor.id)
    assert len(wrapped) < len(MESSAGE) / 3


@pytest.mark.parametrize("kind", [bytes, memoryview], ids=["bytes", "view"])
def test_what_is_compressed_is_decompressed(compressor: Compressor, kind: type[bytes]) -> None:
    wrapped = compress_message(MESSAGE, compressor)
    assert decompress_message(kind(wrapped[16:])) == (OP_MSG, PLAIN)


def test_an_empty_payload_survives(compressor: Compressor) -> None:
    wrapped = compress_message(HEADER.pack(16, 1, 2, OP_MSG), compressor)
    assert decompress_message(wrapped[16:]) == (OP_MSG, b"")


@given(data=st.binary(max_size=2000))
def test_zlib_takes_any_payload(data: bytes) -> None:
    wrapped = compress_message(HEADER.pack(16 + len(data), 1, 2, OP_MSG) + data, zlib_compressor(9))
    assert decompress_message(wrapped[16:]) == (OP_MSG, data)


def test_the_zlib_level_matters() -> None:
    stored = compress_message(MESSAGE, zlib_compressor(0))
    assert len(stored) > len(MESSAGE)
    assert len(compress_message(MESSAGE, zlib_compressor(9))) < len(stored)
    assert decompress_message(stored[16:]) == (OP_MSG, PLAIN)


def test_a_message_that_was_not_compressed_after_all_is_read() -> None:
    assert decompress_message(compressed(PLAIN, id=0, size=len(PLAIN))) == (OP_MSG, PLAIN)


def test_the_message_has_to_fit_with_its_header(compressor: Compressor) -> None:
    payload = compress_message(MESSAGE, compressor)[16:]
    assert decompress_message(payload, max_message_size=len(MESSAGE)) == (OP_MSG, PLAIN)
    with pytest.raises(WireError, match=f"size {len(PLAIN)} is not between 0 and {len(PLAIN) - 1}"):
        decompress_message(payload, max_message_size=len(MESSAGE) - 1)


@pytest.mark.parametrize("difference", [-len(PLAIN), -1, 1, 100])
def test_a_wrong_size_is_refused(compressor: Compressor, difference: int) -> None:
    payload = bytearray(compress_message(MESSAGE, compressor)[16:])
    struct.pack_into("<i", payload, 4, len(PLAIN) + difference)
    with pytest.raises(WireError, match=f"{compressor.name} data"):
        decompress_message(bytes(payload))


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_data_cut_short_is_refused(compressor: Compressor, kept: float) -> None:
    data = compressor.compress(PLAIN)
    cut = data[: int(len(data) * kept) if kept == 0.5 else int(kept)]
    with pytest.raises(WireError, match=f"{compressor.name} data"):
        decompress_message(compressed(cut, id=compressor.id, size=len(PLAIN)))


def test_data_that_goes_on_after_its_end_is_refused(compressor: Compressor) -> None:
    data = compressor.compress(PLAIN) + b"more"
    with pytest.raises(WireError, match=f"{compressor.name} data"):
        decompress_message(compressed(data, id=compressor.id, size=len(PLAIN)))


def test_senseless_data_is_refused(compressor: Compressor) -> None:
    with pytest.raises(WireError, match=f"{compressor.name} data"):
        decompress_message(compressed(b"\x14\xff\xff\xff\xff", id=compressor.id, size=20))


def test_snappy_data_whose_size_does_not_end_is_refused() -> None:
    with pytest.raises(WireError, match="does not start with its size"):
        decompress_message(compressed(b"\xff" * 9, id=IDS["snappy"], size=20))


BROKEN = {
    "nothing": (b"", "needs 9 bytes or more, got 0"),
    "cut short": (bytes(8), "needs 9 bytes or more, got 8"),
    "negative size": (compressed(b"", id=2, size=-1), "size -1 is not between 0 and 47999984"),
    "huge size": (compressed(b"", id=2, size=2**31 - 1), "size 2147483647 is not between"),
    "nested": (compressed(b"", id=2, size=0, op_code=OP_COMPRESSED), "inside another"),
    "unknown compressor": (compressed(b"", id=4, size=0), "unknown compressor id 4"),
    "too little": (compressed(b"ab", id=0, size=3), "noop data of 2 bytes or more where 3 were"),
    "too much": (compressed(b"abcdef", id=0, size=3), "noop data of 4 bytes or more where 3 were"),
}


@pytest.mark.parametrize(("raw", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_message_is_refused(raw: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        decompress_message(raw)


def bomb(name: str, size: int) -> bytes:
    if name == "snappy":  # a block that only claims its size: what allocates is the claim
        length, claim = size, b""
        while length >= 0x80:
            claim += bytes((length & 0x7F | 0x80,))
            length >>= 7
        return claim + bytes((length,)) + b"\0x"
    return COMPRESSORS[name].compress(bytes(size))


def test_a_bomb_is_refused_without_inflating_it(compressor: Compressor) -> None:
    payload = compressed(bomb(compressor.name, 50_000_000), id=compressor.id, size=1000)
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=f"{compressor.name} data"):
            decompress_message(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


@given(st.binary(max_size=40), st.integers(0, 4), st.integers(-1, 100))
def test_arbitrary_bytes_give_a_message_or_a_wire_error(data: bytes, id: int, size: int) -> None:
    try:
        op_code, plain = decompress_message(compressed(data, id=id, size=size))
    except WireError:
        return
    assert (op_code, len(plain)) == (OP_MSG, size)


@given(st.data())
def test_damaged_data_gives_a_message_or_a_wire_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name in COMPRESSORS if is_available(name)]))
    raw = bytearray(COMPRESSORS[name].compress(PLAIN))
    for index, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=3)
    ):
        raw[index] = byte
    try:
        _, plain = decompress_message(compressed(bytes(raw), id=IDS[name], size=len(PLAIN)))
    except WireError:
        return
    assert len(plain) == len(PLAIN)


@pytest.mark.parametrize(
    ("offered", "accepted", "chosen"),
    [
        (["zstd", "zlib"], ["zlib", "zstd"], "zstd"),
        (["zstd", "zlib"], ["zlib"], "zlib"),
        (["zlib"], ["snappy"], None),
        (["zlib"], [], None),
        ([], ["zlib"], None),
    ],
)
def test_the_clients_first_choice_that_the_server_has_is_taken(
    offered: list[str], accepted: list[str], chosen: str | None
) -> None:
    found = choose_compressor(offered, accepted)
    assert (found.name if found else None) == chosen


def test_zlib_is_chosen_with_its_level() -> None:
    chosen = choose_compressor(["zlib"], ["zlib"], 9)
    assert chosen is not None
    assert chosen.compress(PLAIN) == zlib.compress(PLAIN, 9)


def forget(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Make a module impossible to import or to find, installed or not."""
    monkeypatch.setattr(compression, "_LIBRARIES", {"zstd": module, "zlib": "zlib"})
    monkeypatch.setattr(compression, "_ZSTD_MODULE", module)


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.zstd"])
def test_a_compressor_without_its_library_is_not_available(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    forget(monkeypatch, module)
    assert not is_available("zstd")
    assert is_available("zlib")


def test_a_message_whose_library_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget(monkeypatch, "no_such_module")
    with pytest.raises(WireError, match="needs the module no_such_module"):
        decompress_message(compressed(b"data", id=IDS["zstd"], size=20))


def test_compressing_without_the_library_is_an_import_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget(monkeypatch, "no_such_module")
    with pytest.raises(ImportError):
        compress_message(MESSAGE, COMPRESSORS["zstd"])


def test_others_read_what_is_compressed(compressor: Compressor) -> None:
    data = compressor.compress(PLAIN)
    others: dict[str, Any] = {
        "snappy": lambda: import_module("snappy").uncompress(data),
        "zlib": lambda: zlib.decompress(data),
        "zstd": lambda: import_module(compression._ZSTD_MODULE).decompress(data),
    }
    assert others[compressor.name]() == PLAIN
