"""Memory for what is large: the system's own, taken as it is filled."""

from __future__ import annotations

import mmap

__all__ = ["new_buffer"]

_LARGE = 1024 * 1024
"""Bytes from which on a buffer is the system's."""

_ANONYMOUS = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
"""Without MAP_PRIVATE, which Windows lacks, it is memory to be shared, of which the system gives
out a small page at a time."""

_HUGE_PAGES: int | None = getattr(mmap, "MADV_HUGEPAGE", None)


def new_buffer(size: int) -> memoryview:
    """Return memory for `size` bytes; what is large takes place as it fills, not at once.

    The system clears and hands out its pages as they are written to, while other threads run;
    `bytearray` would do it at once and let nobody run.

    Raises:
        MemoryError, OSError: there is not so much.
    """
    if size <= _LARGE:
        return memoryview(bytearray(size))
    if not _ANONYMOUS:
        return memoryview(mmap.mmap(-1, size))
    pages = mmap.mmap(-1, size, flags=_ANONYMOUS)
    if _HUGE_PAGES is not None:
        try:
            pages.madvise(_HUGE_PAGES)
        except OSError:
            # The kernel was built without them; small ones do.
            return memoryview(pages)
    return memoryview(pages)
