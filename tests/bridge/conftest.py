"""What all tests of the bridge use; no test of it may have the hub print an error."""

from __future__ import annotations

import pytest

from tests.support.fix_loops import anyio_backend, connect, run_on_loop, silent_hub

__all__ = ["anyio_backend", "connect", "run_on_loop", "silent_hub"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "bridge" in item.path.parts:
            item.add_marker(pytest.mark.usefixtures("silent_hub"))
