"""The command line, as far as it needs no server."""

from __future__ import annotations

import pytest

from greenmongo.cli import main


def test_check_lists_the_stack_and_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    told = capsys.readouterr().out
    for name in ("gevent", "pymongo", "mongod"):
        assert name in told


def test_check_fails_where_no_server_can_be_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENMONGO_MONGOD", "/nowhere/mongod")
    assert main(["check"]) == 1
    assert "/nowhere/mongod, which does not exist" in capsys.readouterr().out


def test_an_error_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENMONGO_MONGOD", "/nowhere/mongod")
    assert main(["serve"]) == 1
    assert capsys.readouterr().err.startswith("greenmongo: GREENMONGO_MONGOD names /nowhere/mongod")


@pytest.mark.parametrize(
    "wrong", [["serve", "--members", "0"], ["serve", "--standalone", "--members", "2"]]
)
def test_a_deployment_that_cannot_be_is_a_usage_error(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2
