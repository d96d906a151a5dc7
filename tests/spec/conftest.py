"""Chooses the specification files, and counts the outcomes per suite at the end."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import pytest

from greenmongo.embedded import MongoServer
from tests.spec.cases import Case, Collected, UnifiedCase, collect
from tests.spec.exceptions import exemption_of
from tests.spec.unified.apis import APIS, Api
from tests.spec.unified.deployments import Candidate, Deployment
from tests.spec.unified.outcomes import Mismatch, NotApplicable, Unsupported
from tests.spec.unified.play import play
from tests.support.fix_server import TEST_COMMANDS
from tests.support.fix_ways import Way, set_way

VARIABLE = "GREENMONGO_SPECS"
APIS_VARIABLE = "GREENMONGO_SPEC_APIS"
WAYS_VARIABLE = "GREENMONGO_SPEC_WAYS"
OWN_DATA = Path(__file__).parent / "data"
WAYS = ("straight",) if os.environ.get(VARIABLE) else ("straight", "general")
"""The specifications' own files are many: both ways only if it is asked for."""

RunCase: TypeAlias = Callable[[Case], None]
RunUnified: TypeAlias = Callable[[UnifiedCase], None]
Outcomes: TypeAlias = "defaultdict[str, Counter[str]]"

_COLLECTED = pytest.StashKey[Collected]()
_OUTCOMES = pytest.StashKey[Outcomes]()
_SUITE_OF_REPORT = "specification suite"
_OUTCOME_OF_REPORT = "specification outcome"
_COLUMNS = ("passed", "exception", "unsupported", "not here", "failed")

AUTH = ("admin", "secret")
NEXT_VERSION = {"acceptApiVersion2": True}


def specifications() -> Path:
    """Return the directory whose files are run."""
    return Path(os.environ.get(VARIABLE) or OWN_DATA)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each case below $GREENMONGO_SPECS, or of our own few."""
    kinds = {"case", "unified_case"}.intersection(metafunc.fixturenames)
    if not kinds:
        return
    stash = metafunc.config.stash
    if _COLLECTED not in stash:
        try:
            stash[_COLLECTED] = collect(specifications())
            outcomes: Outcomes = defaultdict(Counter)
            stash[_OUTCOMES] = outcomes
        except FileNotFoundError as error:
            raise pytest.UsageError(str(error)) from error
    found = stash[_COLLECTED]
    if not found.cases and not found.unified:
        raise pytest.UsageError(f"{specifications()} has no test that could be run here")
    for kind in kinds:
        cases = found.cases if kind == "case" else found.unified
        metafunc.parametrize(kind, [_parameter(case) for case in cases])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test here more time: whichever comes last stops all the servers as well."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(60))


def _parameter(case: Case | UnifiedCase) -> object:
    exempt = exemption_of(case.path, case.name)
    marks = []
    if exempt is not None:
        marks.append(pytest.mark.xfail(strict=exempt.is_certain, reason=exempt.reason))
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
            request.getfixturevalue("hub_thread").call(case.run)
        else:
            case.run()

    return run


# ---- live servers ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def spec_replica_set(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The deployment that tests run on unless they need another: three members if the
    specifications' own files are run, else the one that all live tests share."""
    with ExitStack() as stack:
        if os.environ.get(VARIABLE) and not request.config.getoption("--mongo-uri"):
            server = MongoServer(members=3, parameters=TEST_COMMANDS)
            uri = stack.enter_context(server).uri
        else:
            uri = request.getfixturevalue("mongo_uri")
        yield stack.enter_context(closing(Deployment(uri)))


@pytest.fixture(scope="session")
def spec_standalone(standalone: MongoServer) -> Iterator[Deployment]:
    """A server that is not in a replica set."""
    with closing(Deployment(standalone.uri)) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def spec_guarded() -> Iterator[Deployment]:
    """A replica set that wants to know who its clients are."""
    with (
        MongoServer(auth=AUTH, parameters=TEST_COMMANDS) as server,
        closing(Deployment(server.uri)) as deployment,
    ):
        yield deployment


@pytest.fixture(scope="session")
def spec_guarded_standalone() -> Iterator[Deployment]:
    """A server that is in no replica set and wants to know who its clients are."""
    with (
        MongoServer(replica_set=None, auth=AUTH, parameters=TEST_COMMANDS) as server,
        closing(Deployment(server.uri)) as deployment,
    ):
        yield deployment


@pytest.fixture(scope="session")
def spec_next_version() -> Iterator[Deployment]:
    """A server with a second version of its API, to try what is deprecated in the first."""
    with (
        MongoServer(replica_set=None, parameters={**TEST_COMMANDS, **NEXT_VERSION}) as server,
        closing(Deployment(server.uri)) as deployment,
    ):
        yield deployment


@pytest.fixture
def candidates(request: pytest.FixtureRequest) -> list[Candidate]:
    """The deployments that there could be, started by the first test that needs them."""

    def candidate(name: str, topology: str, has_auth: bool, **parameters: Any) -> Candidate:
        return Candidate(lambda: request.getfixturevalue(name), topology, has_auth, parameters)

    kinds = [candidate("spec_replica_set", "replicaset", False)]
    if not request.config.getoption("--mongo-uri"):
        kinds.append(candidate("spec_standalone", "single", False))
        kinds.append(candidate("spec_guarded", "replicaset", True))
        kinds.append(candidate("spec_guarded_standalone", "single", True))
        kinds.append(candidate("spec_next_version", "single", False, **NEXT_VERSION))
    return kinds


@pytest.fixture(params=os.environ.get(APIS_VARIABLE, "blocking,async").split(","))
def spec_api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """Each way into the driver in turn."""
    with closing(APIS[request.param]()) as api:
        yield api


@pytest.fixture(params=os.environ.get(WAYS_VARIABLE, ",".join(WAYS)).split(","))
def spec_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    """Each way of operations in turn."""
    way: Way = request.param
    set_way(monkeypatch, way)
    return way


@pytest.fixture
def run_unified(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    spec_api: Api,
    spec_way: Way,
    candidates: list[Candidate],
) -> RunUnified:
    """Provide a function that runs a test of the unified format on one API."""
    # Command Logging, "Testing": long enough for every document of the tests.
    monkeypatch.setenv("GREENMONGO_LOG_MAX_DOCUMENT_LENGTH", "10000")

    def skip(outcome: str, error: Exception) -> NoReturn:
        request.node.user_properties.append((_OUTCOME_OF_REPORT, outcome))
        pytest.skip(f"{outcome}: {error}")

    def run(case: UnifiedCase) -> None:
        try:
            play(case.file, case.test, spec_api, candidates)
        except NotApplicable as error:
            skip("not here", error)
        except Unsupported as error:
            if case.must_fail:
                raise Mismatch(str(error)) from error
            skip("unsupported", error)

    return run


# ---- the counts -----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _suite(request: pytest.FixtureRequest) -> None:
    if "case" in request.fixturenames:
        case: Case = request.getfixturevalue("case")
        request.node.user_properties.append((_SUITE_OF_REPORT, case.suite))
    elif "unified_case" in request.fixturenames:
        unified: UnifiedCase = request.getfixturevalue("unified_case")
        api = type(request.getfixturevalue("spec_api")).name
        request.node.user_properties.append((_SUITE_OF_REPORT, f"{unified.suite}, {api}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count the outcome."""
    report = yield
    properties = dict(item.user_properties)
    suite = properties.get(_SUITE_OF_REPORT)
    if suite is not None and (report.when == "call" or report.failed):
        is_excepted = report.outcome == "skipped"  # so are expected failures called
        usual = "exception" if is_excepted else report.outcome
        outcome = str(properties.get(_OUTCOME_OF_REPORT, usual))
        item.config.stash[_OUTCOMES][str(suite)][outcome] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the counts per suite, and how many files nothing here can run."""
    stash = terminalreporter.config.stash
    outcomes = stash.get(_OUTCOMES, None)
    if not outcomes:
        return
    terminalreporter.section("specifications")
    row = "{:44}" + "{:>12}" * len(_COLUMNS)
    terminalreporter.write_line(row.format("suite", *_COLUMNS))
    total = sum(outcomes.values(), Counter[str]())
    for suite, counts in [*sorted(outcomes.items()), ("all", total)]:
        terminalreporter.write_line(row.format(suite, *(counts[name] for name in _COLUMNS)))
    left_out = stash[_COLLECTED].left_out
    if left_out:
        files = ", ".join(f"{suite} {count}" for suite, count in sorted(left_out.items()))
        terminalreporter.write_line(f"files not run by this runner: {files}")
