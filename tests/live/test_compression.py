"""Every compressor there is a library for, spoken with a real server."""

from __future__ import annotations

from typing import Any

import pytest

from greenmongo import MongoClient
from greenmongo._wire.compression import is_available

pytestmark = pytest.mark.live

DB = "test_compression"


def counters(client: MongoClient[dict[str, Any]], name: str) -> tuple[int, int]:
    """Return how many bytes this server has ever squeezed, and how many unsqueezed."""
    told = client.admin.command("serverStatus")["network"]["compression"][name]
    return told["compressor"]["bytesIn"], told["decompressor"]["bytesIn"]


@pytest.mark.parametrize("name", ["snappy", "zlib", "zstd"])
def test_both_directions_are_compressed(mongo_uri: str, name: str) -> None:
    if not is_available(name):
        pytest.skip(f"the library for {name} is not installed")
    documents = [{"_id": number, "text": "spam" * 100} for number in range(300)]
    with (
        MongoClient[dict[str, Any]](mongo_uri) as plain,
        MongoClient[dict[str, Any]](mongo_uri, compressors=name) as client,
    ):
        before = counters(plain, name)
        things = client[DB][name]
        things.insert_many(documents)
        try:
            assert list(things.find(batch_size=50)) == documents
        finally:
            client.drop_database(DB)
        sent, received = counters(plain, name)
        size = 300 * 400
        assert sent - before[0] > size
        assert received - before[1] > 0
