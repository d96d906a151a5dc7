"""Short storms: callers of all kinds in transactions, and change streams, each with its verdict.

`python -m tests.chaos --bank` and `--stream` are the long ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymongo
import pytest

from greenmongo.embedded import MongoServer
from tests.chaos.bank.orders import DATABASE as BANK
from tests.chaos.bank.storm import Bank
from tests.chaos.drivers import Greenmongo
from tests.chaos.faults import STEPDOWN
from tests.chaos.ledger import Ledger
from tests.chaos.run import run
from tests.chaos.storm import Storm
from tests.chaos.stream.record import DATABASE as STREAMS
from tests.chaos.stream.storm import Streams

pytestmark = [pytest.mark.live, pytest.mark.chaos, pytest.mark.timeout(120)]

SECONDS = 5.0
CALLERS = {"greenlet": 8, "thread": 4, "asyncio": 8, "trio": 4}
CALM: list[tuple[float, str]] = []
ONE_STEPDOWN = [(1.5, STEPDOWN)]


class SmallBank(Bank):
    """The bank with few customers."""

    callers = CALLERS


class SmallStreams(Streams):
    """Change streams with few writers."""

    callers = CALLERS


@pytest.fixture
def clean_members(members: MongoServer) -> Iterator[MongoServer]:
    """A set in which a storm leaves no data behind."""
    yield members
    with pymongo.MongoClient[Any](members.uri) as client:
        client.drop_database(BANK)
        client.drop_database(STREAMS)


@pytest.mark.parametrize("storm", [SmallBank, SmallStreams])
@pytest.mark.parametrize("plan", [CALM, ONE_STEPDOWN], ids=["calm", "stepdown"])
@pytest.mark.usefixtures("no_leaks")
def test_a_storm_leaves_nothing_wrong(
    clean_members: MongoServer,
    storm: type[Storm],
    plan: list[tuple[float, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    driver = Greenmongo(clean_members.uri, storm.options)
    with driver.client:
        findings = run(storm(driver, Ledger(), 7), clean_members, SECONDS, plan)

    assert [str(finding) for finding in findings if not finding.is_fine] == []
    assert "Traceback" not in capsys.readouterr().err
