"""Whoever leaves an upload leaves none of its generators to the garbage collector."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import anyio
import pytest

import bridge

pytestmark = [pytest.mark.live, pytest.mark.anyio]


async def test_a_cancelled_upload_has_ended_what_it_read_from(mongo_uri: str) -> None:
    async with bridge.AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        bucket = bridge.AsyncGridFSBucket(client["sources_left"])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with anyio.CancelScope() as scope:
                async with bucket.open_upload_stream("f") as grid_in:
                    scope.cancel()
                    await grid_in.write(b"x" * (9 * 1024 * 1024))
            gc.collect()
        assert scope.cancelled_caught
        assert [str(each.message) for each in caught if "generator" in str(each.message)] == []
        await client.drop_database("sources_left")
