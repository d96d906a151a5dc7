"""Log handlers that use a client, at the end of the process."""

from __future__ import annotations

import pytest

from tests.support.fix_hub import run_script

PROGRAM = """
import logging, sys
from logging.handlers import MemoryHandler

class Writer(logging.Handler):
    client = None

    def emit(self, record):
        from greenmongo import MongoClient

        self.client = self.client or MongoClient(sys.argv[1])
        self.client.greenmongo_at_exit.records.insert_one({"text": record.getMessage()})

# Before the driver is imported; the second belongs to a logger below a mere name.
logging.getLogger().addHandler(MemoryHandler(100, target=Writer()))
logging.getLogger("some.where").addHandler(MemoryHandler(100, target=Writer()))
logging.getLogger("some.where").propagate = False

from greenmongo import MongoClient

client = MongoClient(sys.argv[1])
client.drop_database("greenmongo_at_exit")

class Broken(logging.Handler):
    def flush(self):
        raise ZeroDivisionError

    def handleError(self, record):
        pass

logging.getLogger("another").addHandler(Broken())
for number in range(3):
    logging.getLogger("app").error("record %d", number)
    logging.getLogger("some.where").error("other %d", number)
"""

COUNT = """
import sys
from greenmongo import MongoClient

with MongoClient(sys.argv[1]) as client:
    print(sorted(found["text"] for found in client.greenmongo_at_exit.records.find()))
    client.drop_database("greenmongo_at_exit")
"""


@pytest.mark.live
@pytest.mark.timeout(60)
def test_a_handler_that_buffers_writes_its_records_at_exit(mongo_uri: str) -> None:
    done = run_script(PROGRAM, mongo_uri, timeout=25.0)
    assert done.returncode == 0
    assert "HubClosed" not in done.stderr
    written = run_script(COUNT, mongo_uri, timeout=25.0)
    expected = [f"{kind} {number}" for kind in ("other", "record") for number in range(3)]
    assert written.stdout == f"{expected}\n", done.stderr
