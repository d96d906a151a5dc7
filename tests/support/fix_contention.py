"""For tests of what goes over a socket: the same with the GIL given away and kept."""

from __future__ import annotations

import pytest

from greenmongo._net.socket_calls import CONTENTION

__all__ = ["contention"]


@pytest.fixture(params=["at rest", "beside busy threads"])
def contention(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small sends and receives give the GIL away, then keep it."""
    monkeypatch.setattr(CONTENTION, "is_on", request.param == "beside busy threads")
    monkeypatch.setattr(CONTENTION, "_left", 1_000_000)
