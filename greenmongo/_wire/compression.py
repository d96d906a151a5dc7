"""OP_COMPRESSED: another message, squeezed (OP_COMPRESSED specification)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from sys import version_info
from typing import Any

from greenmongo._wire.errors import WireError
from greenmongo._wire.header import DEFAULT_MAX_MESSAGE_SIZE, HEADER, OP_COMPRESSED

__all__ = [
    "COMPRESSORS",
    "Compressor",
    "choose_compressor",
    "compress_message",
    "decompress_message",
    "is_available",
    "takes_long",
    "zlib_compressor",
]

_PREFIX = struct.Struct("<iiB")  # original opcode, uncompressed size, compressor id
_ZSTD_WINDOW_LOG = DEFAULT_MAX_MESSAGE_SIZE.bit_length()
_SLOW_TO_INFLATE = 192 * 1024
"""From how many bytes on inflating them takes around half a millisecond or more."""
_ZSTD_MODULE = "compression.zstd" if version_info >= (3, 14) else "backports.zstd"


@dataclass(frozen=True, slots=True)
class Compressor:
    """One algorithm; `decompress` is told the size to expect and never inflates far beyond it."""

    name: str
    id: int
    compress: Callable[[bytes | memoryview], bytes]
    decompress: Callable[[bytes | memoryview, int], bytes]
    slow_size: int
    """From how many bytes on compressing them takes around half a millisecond or more."""


def compress_message(message: bytes | memoryview, compressor: Compressor) -> bytes:
    """Wrap a whole message, header included, into an OP_COMPRESSED with the same ids."""
    _, request_id, response_to, op_code = HEADER.unpack_from(message)
    plain = memoryview(message)[HEADER.size :]
    squeezed = compressor.compress(plain)
    return b"".join(
        (
            HEADER.pack(
                HEADER.size + _PREFIX.size + len(squeezed), request_id, response_to, OP_COMPRESSED
            ),
            _PREFIX.pack(op_code, len(plain), compressor.id),
            squeezed,
        )
    )


def decompress_message(
    payload: bytes | memoryview, *, max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE
) -> tuple[int, bytes]:
    """Return the opcode and payload of the message inside an OP_COMPRESSED's payload.

    The size the peer declares is judged before anything is inflated, and inflating stops there:
    a few kilobytes must not become gigabytes.

    Raises:
        WireError: the payload is cut short, too big, of an unknown or uninstalled compressor,
            nested, or does not inflate to exactly the size it declares.
    """
    if len(payload) < _PREFIX.size:
        raise WireError(f"an OP_COMPRESSED needs {_PREFIX.size} bytes or more, got {len(payload)}")
    op_code, size, compressor_id = _PREFIX.unpack_from(payload)
    if not 0 <= size <= max_message_size - HEADER.size:
        raise WireError(f"uncompressed size {size} is not between 0 and {max_message_size - 16}")
    if op_code == OP_COMPRESSED:
        raise WireError("an OP_COMPRESSED is inside another")
    compressor = _BY_ID.get(compressor_id)
    if compressor is None:
        raise WireError(f"unknown compressor id {compressor_id}")
    plain = compressor.decompress(payload[_PREFIX.size :], size)
    if len(plain) != size:
        raise WireError(
            f"{compressor.name} data of {len(plain)} bytes or more where {size} were declared"
        )
    return op_code, plain


def takes_long(payload: bytes | memoryview) -> bool:
    """Tell whether an OP_COMPRESSED is long to inflate, by what it says itself of its size."""
    if len(payload) < _PREFIX.size:
        return False
    size: int = _PREFIX.unpack_from(payload)[1]
    return size > _SLOW_TO_INFLATE


def is_available(name: str) -> bool:
    """Tell whether the library behind the compressor `name` is installed."""
    module = _LIBRARIES[name]
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package the module would be in is missing
        return False


def choose_compressor(
    offered: Iterable[str], accepted: Collection[str], zlib_level: int = -1
) -> Compressor | None:
    """Return the first compressor on offer that the server has accepted, None if it is none.

    Args:
        offered: the client's compressors, the preferred one first.
        accepted: what the server's hello names.
        zlib_level: how hard zlib tries.
    """
    name = next((name for name in offered if name in accepted), None)
    if name is None:
        return None
    return zlib_compressor(zlib_level) if name == "zlib" else COMPRESSORS[name]


def zlib_compressor(level: int = -1) -> Compressor:
    """Return zlib at `level`: 0 (none) to 9 (best), or -1 for the library's default."""
    return Compressor(
        "zlib", 2, lambda data: zlib.compress(data, level), _zlib_decompress, slow_size=16 * 1024
    )


def _zlib_decompress(data: bytes | memoryview, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        # One byte more than declared shows that there is too much, and lets the end be seen.
        plain = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise WireError(f"zlib data: {error}") from error
    _check_end("zlib", plain, size, ended=inflater.eof, rest=inflater.unused_data)
    return plain


def _snappy_compress(data: bytes | memoryview) -> bytes:
    compressed: bytes = import_module("snappy").compress(bytes(data))
    return compressed


def _snappy_decompress(data: bytes | memoryview, size: int) -> bytes:
    # The library allocates what the block's own first number says, so that number is checked.
    if (inner := _snappy_size(data)) != size:
        raise WireError(f"snappy data of {inner} bytes where {size} were declared")
    snappy = _load("snappy")
    try:
        plain: bytes = snappy.uncompress(bytes(data))
    except Exception as error:  # the library's exceptions differ from version to version
        raise WireError(f"snappy data: {error}") from error
    return plain


def _snappy_size(data: bytes | memoryview) -> int:
    """Read the little-endian base-128 number, of five bytes at most, that starts a block."""
    size = 0
    for index, byte in enumerate(data[:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size
    raise WireError("snappy data does not start with its size")


def _zstd_compress(data: bytes | memoryview) -> bytes:
    compressed: bytes = import_module(_ZSTD_MODULE).compress(data)
    return compressed


def _zstd_decompress(data: bytes | memoryview, size: int) -> bytes:
    zstd = _load(_ZSTD_MODULE)
    # The data says how much of itself the library has to remember: no more than a message holds.
    inflater = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    )
    try:
        plain: bytes = inflater.decompress(data, size + 1)
    except zstd.ZstdError as error:
        raise WireError(f"zstd data: {error}") from error
    _check_end("zstd", plain, size, ended=inflater.eof, rest=inflater.unused_data)
    return plain


def _check_end(name: str, plain: bytes, size: int, *, ended: bool, rest: bytes) -> None:
    """Refuse data that stops early or goes on after its end; too much is the caller's to refuse."""
    if len(plain) <= size and not ended:
        raise WireError(f"{name} data is cut short after {len(plain)} bytes of {size}")
    if rest:
        raise WireError(f"{name} data is followed by {len(rest)} more bytes")


def _load(module: str) -> Any:
    """Import the optional library that a received message needs."""
    try:
        return import_module(module)
    except ImportError as error:
        raise WireError(f"a message needs the module {module}: {error}") from error


def _plain_copy(data: bytes | memoryview, size: int) -> bytes:
    # Slicing keeps a peer that lies about the size from having everything copied.
    return bytes(data[: size + 1])


_LIBRARIES: Mapping[str, str] = {"zlib": "zlib", "snappy": "snappy", "zstd": _ZSTD_MODULE}

COMPRESSORS: Mapping[str, Compressor] = {
    "snappy": Compressor("snappy", 1, _snappy_compress, _snappy_decompress, slow_size=256 * 1024),
    "zlib": zlib_compressor(),
    "zstd": Compressor("zstd", 3, _zstd_compress, _zstd_decompress, slow_size=64 * 1024),
}
"""What can be negotiated, by the name used in URIs and in hello."""

_BY_ID: Mapping[int, Compressor] = {
    # Id 0 is never negotiated, but the specification lets a server send it.
    0: Compressor("noop", 0, bytes, _plain_copy, slow_size=1024 * 1024),
    **{compressor.id: compressor for compressor in COMPRESSORS.values()},
}
