"""What is registered with PyMongo for all clients, as instrumentations do, hears ours as well."""

from __future__ import annotations

import json

import pytest

from tests.support.fix_hub import run_script

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

# A process of its own: what is registered stays for good.
SCRIPT = """
import asyncio, json
from pymongo import monitoring

class Both(monitoring.CommandListener, monitoring.ConnectionPoolListener):
    def __init__(self):
        self.commands, self.pools = [], 0
    def started(self, event):
        self.commands.append(event.command_name)
    def succeeded(self, event): ...
    def failed(self, event): ...
    def pool_created(self, event):
        self.pools += 1
    def __getattr__(self, name):
        if name.startswith(("pool_", "connection_")):
            return lambda event: None
        raise AttributeError(name)

for name in dir(monitoring.ConnectionPoolListener):
    if not name.startswith("_") and name != "pool_created":
        setattr(Both, name, lambda self, event: None)

from greenmongo import MongoClient
from bridge import AsyncMongoClient

early = MongoClient({uri!r})
registered, given = Both(), Both()
monitoring.register(registered)
early.admin.command("ping")
unheard = list(registered.commands)

with MongoClient({uri!r}, event_listeners=[given]) as client:
    client.admin.command("buildInfo")
    options = [each is registered for each in client.options.event_listeners]

async def main():
    async with AsyncMongoClient({uri!r}) as client:
        await client.admin.command("dbStats")
asyncio.run(main())
early.close()
heard = [name for name in registered.commands if name != "endSessions"]
given = [name for name in given.commands if name != "endSessions"]
print(json.dumps([unheard, heard, registered.pools, given, options]))
"""


def test_clients_report_to_the_listeners_that_were_registered_before_them(mongo_uri: str) -> None:
    result = run_script(SCRIPT.format(uri=mongo_uri))

    assert result.stderr == ""
    unheard, heard, pools, given, options = json.loads(result.stdout)
    assert (unheard, heard, given) == ([], ["buildInfo", "dbStats"], ["buildInfo"])
    assert pools >= 2
    assert options == [True, False]
