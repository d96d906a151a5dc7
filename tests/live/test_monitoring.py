"""What a client hears of a replica set that it does nothing with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from greenmongo.embedded import MongoServer
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(60)]


def test_an_idle_client_hears_of_a_stepdown_at_once(
    start_server: Callable[..., MongoServer], client_of: Connect
) -> None:
    server = start_server(members=3)
    seldom = {"heartbeatFrequencyMS": 60_000}
    idle, other = client_of(server.uri, **seldom), client_of(server.uri)
    wait_until(lambda: idle.primary is not None and len(idle.nodes) == 3)
    old = idle.primary
    other.admin.command("replSetStepDown", 30, secondaryCatchUpPeriodSecs=5)
    wait_until(lambda: idle.primary != old)
    # The others elect one of them without waiting for a heartbeat of ours.
    wait_until(lambda: idle.primary not in (None, old), 15.0)
