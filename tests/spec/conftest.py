"""Chooses the specification files, and counts the outcomes per suite at the end."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.spec.cases import Case, Collected, collect
from tests.spec.exceptions import reason_for

VARIABLE = "GREENMONGO_SPECS"
OWN_DATA = Path(__file__).parent / "data"

RunCase: TypeAlias = Callable[[Case], None]
Outcomes: TypeAlias = "defaultdict[str, Counter[str]]"

_COLLECTED = pytest.StashKey[Collected]()
_OUTCOMES = pytest.StashKey[Outcomes]()
_SUITE_OF_REPORT = "specification suite"


def specifications() -> Path:
    """Return the directory whose files are run."""
    return Path(os.environ.get(VARIABLE) or OWN_DATA)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each case below $GREENMONGO_SPECS, or of our own few."""
    if "case" not in metafunc.fixturenames:
        return
    try:
        found = collect(specifications())
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    if not found.cases:
        raise pytest.UsageError(f"{specifications()} has no test that could be run here")
    metafunc.config.stash[_COLLECTED] = found
    outcomes: Outcomes = defaultdict(Counter)
    metafunc.config.stash[_OUTCOMES] = outcomes
    metafunc.parametrize("case", [_parameter(case) for case in found.cases])


def _parameter(case: Case) -> object:
    reason = reason_for(case.path, case.name)
    marks = [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]
    return pytest.param(case, id=f"{case.path}: {case.name}", marks=marks)


@pytest.fixture
def run_case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RunCase:
    """Provide a function that runs a case where, and with what, it has to be run."""
    # The files that connection strings name.
    for name in ("ca.pem", "cert.pem"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def run(case: Case) -> None:
        if case.is_hubside:
            request.getfixturevalue("hub_thread").run(case.run)
        else:
            case.run()

    return run


@pytest.fixture(autouse=True)
def _suite(request: pytest.FixtureRequest) -> None:
    if "case" in request.fixturenames:
        case: Case = request.getfixturevalue("case")
        request.node.user_properties.append((_SUITE_OF_REPORT, case.suite))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count the outcome."""
    report = yield
    suite = dict(item.user_properties).get(_SUITE_OF_REPORT)
    if suite is not None and report.when == "call":
        is_excepted = report.outcome == "skipped"  # so are expected failures called
        outcome = "exception" if is_excepted else report.outcome
        item.config.stash[_OUTCOMES][str(suite)][outcome] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the counts per suite, and which files belong to suites that need a server."""
    stash = terminalreporter.config.stash
    outcomes = stash.get(_OUTCOMES, None)
    if not outcomes:
        return
    terminalreporter.section("specifications")
    columns = ("passed", "exception", "failed")
    row = "{:32}" + "{:>12}" * len(columns)
    terminalreporter.write_line(row.format("suite", *columns))
    total = sum(outcomes.values(), Counter[str]())
    for suite, counts in [*sorted(outcomes.items()), ("all", total)]:
        terminalreporter.write_line(row.format(suite, *(counts[name] for name in columns)))
    left_out = stash[_COLLECTED].left_out
    if left_out:
        files = ", ".join(f"{suite} {count}" for suite, count in sorted(left_out.items()))
        terminalreporter.write_line(f"files not run by this runner: {files}")
