"""Every example runs, says what it should and nothing else, and leaves no data behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fix_hub import without_reports

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
LONGEST = 60

EXPECTED = {
    "asyncio_service": ["the last one was number 50"],
    "gevent_and_asyncio": ["100 documents by greenlets", "100 documents by tasks"],
    "quickstart": [
        "200 of 200 tasks read what they wrote",
        "task A, 20 awaits",
        "task B, 20 awaits",
        "in a request (one connection): 0 of 100 counts missed",
        "over two connections:",
        "a plain thread counted 200 documents",
        "50 greenlets of a gevent hub found 50 documents",
        "50 tasks of another event loop found 50 documents",
        "50 tasks of this event loop found 50 documents",
        "connections created: 1 before, 1 after the next command",
    ],
    "trio_worker": ["19 jobs done", "1 jobs given up"],
}


def run_example(name: str, uri: str) -> str:
    environment = {
        **os.environ,
        "GREENMONGO_URI": uri,
        "GREENMONGO_DEMO_ROUNDS": "100",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (without_reports(done.stderr), done.returncode) == ("", 0)
    return done.stdout


def test_no_example_is_forgotten() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_example_says_what_it_should(name: str, mongo_uri: str) -> None:
    said = run_example(name, mongo_uri)
    assert [words for words in EXPECTED[name] if words not in said] == []


def test_two_requests_have_two_connections(mongo_uri: str) -> None:
    said = run_example("quickstart", mongo_uri).splitlines()
    ids = [line.rpartition("connection ")[2] for line in said if "20 awaits" in line]
    assert len(ids) == len(set(ids)) == 2
    assert all(number.isdecimal() for number in ids)


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - {"quickstart"}))
def test_the_example_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < LONGEST
