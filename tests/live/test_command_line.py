"""The command line on a real server, and where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from greenmongo.cli import main
from tests.support.fix_hub import ROOT

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

NOWHERE = "mongodb://127.0.0.1:1/"
Told = pytest.CaptureFixture[str]


def test_check_tells_what_is_there(mongo_uri: str, capsys: Told) -> None:
    assert main(["check", mongo_uri, "--timeout", "30", "--primary"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    for word in ("ReplicaSetWithPrimary", "RSPrimary", "ping", "TLS          no", "as nobody"):
        assert word in told.out


def test_check_tells_it_to_programs(mongo_uri: str, capsys: Told) -> None:
    assert main(["check", mongo_uri, "--timeout", "30", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["primary"] in [server["address"] for server in found["servers"]]
    assert found["ping_ms"]["min"] <= found["ping_ms"]["median"] <= found["ping_ms"]["max"]
    assert found["pool"]["max"] == 100


@pytest.mark.parametrize(
    ("uri", "code", "text"),
    [
        (NOWHERE, 1, "no server answered within 0.2 s: 127.0.0.1:1: "),
        ("mongodb://h:x/", 2, "Port"),
        ("mongodb://a:b@c:d@h/", 2, "escape"),
        ("mongodb://127.0.0.1:1/?replicaSet=", 1, "no server answered"),
    ],
)
def test_check_fails_in_one_line(uri: str, code: int, text: str, capsys: Told) -> None:
    assert main(["check", uri, "--timeout", "0.2"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("greenmongo: ")
    assert text in told.err
    assert told.err.count("\n") == 1


def test_check_fails_for_programs_in_json(capsys: Told) -> None:
    assert main(["check", NOWHERE, "--timeout", "0.2", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["ok"] is False
    assert told.err == ""


def test_check_of_another_set_says_so_at_once(mongo_uri: str, capsys: Told) -> None:
    uri = mongo_uri.replace("replicaSet=", "replicaSet=another-")
    if uri == mongo_uri:
        pytest.skip("the server is in no replica set")
    assert main(["check", uri, "--timeout", "60"]) == 1
    assert "another-" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan"])
def test_a_time_that_is_none_is_a_usage_error(text: str, capsys: Told) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", NOWHERE, "--timeout", text])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_bench_shows_both_drivers(mongo_uri: str, capsys: Told) -> None:
    assert main(["bench", mongo_uri, "--tasks", "1", "4", "--seconds", "0.1"]) == 0
    told = capsys.readouterr().out
    assert told.count("greenmongo") == told.count("PyMongo async") == 2


def test_the_demo_does_not_wait_for_a_server_that_is_not_there(capsys: Told) -> None:
    assert main(["demo", "--mongo-uri", "mongodb://h:x/"]) == 2
    assert capsys.readouterr().err.startswith("greenmongo: ")


def test_a_port_that_is_none_is_named(capsys: Told) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--port", "99999999"])
    assert caught.value.code == 2
    assert "99999999 is no port" in capsys.readouterr().err


def test_the_version_is_told(capsys: Told) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("greenmongo ")


@pytest.mark.parametrize("command", ["check", "bench", "migrate"])
def test_help_shows_examples(command: str, capsys: Told) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "examples:" in capsys.readouterr().out


def test_who_has_read_enough_is_no_error(tmp_path: Path) -> None:
    for number in range(2_000):
        (tmp_path / f"module_{number}.py").write_text("from pymongo import MongoClient\n")
    migrate = subprocess.Popen(
        [sys.executable, "-m", "greenmongo", "migrate", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert migrate.stdout is not None
    assert migrate.stderr is not None
    with migrate:
        migrate.stdout.readline()
        migrate.stdout.close()
        assert "Traceback" not in migrate.stderr.read()
    assert migrate.returncode == 0
