"""What memory the process took at most, as the system counts it: whoever allocated it, in whatever
language."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["peak_memory"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def _kibibytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


@pytest.fixture
def peak_memory() -> Callable[[], int]:
    """Provide a function that returns by how many bytes the process has grown since, at most."""
    if not _CLEAR.exists():
        pytest.skip("only Linux counts a peak that can be reset")
    gc.collect()
    before = _kibibytes("VmRSS")
    _CLEAR.write_text(_RESET_PEAK)
    return lambda: (_kibibytes("VmHWM") - before) * 1024
