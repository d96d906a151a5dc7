"""Plays one test of the unified format against a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from copy import deepcopy
from functools import partial
from logging import LogRecord
from typing import Any

from tests.spec.unified.apis import Api
from tests.spec.unified.arguments import Arguments
from tests.spec.unified.deployments import Candidate, Deployment, choose
from tests.spec.unified.entities import Entities, Entity, wait_until
from tests.spec.unified.expectations import check_error, check_events, check_messages
from tests.spec.unified.matching import Matcher, as_stored
from tests.spec.unified.observer import recorded_logs
from tests.spec.unified.operation import Operation
from tests.spec.unified.operations import OPERATIONS
from tests.spec.unified.outcomes import Mismatch, NotApplicable, Unsupported
from tests.spec.unified.own_operations import OWN_OPERATIONS
from tests.spec.unified.spans import check_spans

__all__ = ["Play", "play"]

Document = Mapping[str, Any]

SCHEMA = (1, 28)
"""The latest version of the format that this runner was written for."""
SOON = 10.0
"""Seconds that the events of background work may take."""
# Tests with fail points wait for monitors to find that a server is back.
_FAIL_POINTS = ("failPoint", "targetedFailPoint")
_TRANSACTIONS = ("startTransaction", "withTransaction")
_QUICK_HEARTBEATS = {"heartbeatFrequencyMS": 500}


def play(file: Document, test: Document, api: Api, candidates: Sequence[Candidate]) -> None:
    """Run a test on the first of several deployments that will do.

    Raises:
        Mismatch: something is not as the test expects it.
        NotApplicable: no deployment is what the test requires.
        Unsupported: the test uses what the driver does not have.
    """
    major, minor = (int(part) for part in (file["schemaVersion"] + ".0").split(".")[:2])
    if major != SCHEMA[0] or minor > SCHEMA[1]:
        raise Unsupported(f"version {major}.{minor} of the format")
    if "skipReason" in test:
        raise NotApplicable(f"the file says: {test['skipReason']}")
    deployment = choose(candidates, file.get("runOnRequirements"), test.get("runOnRequirements"))
    deployment.prepare(file.get("initialData", []))
    with Play(file, test, api, deployment) as running:
        running.run()
    deployment.check_outcome(test.get("outcome", []))


class Play:
    """One test under way; as a context manager it cleans up behind itself."""

    def __init__(self, file: Document, test: Document, api: Api, deployment: Deployment) -> None:
        self._file = file
        self._test = test
        self.api = api
        self.deployment = deployment
        sets_fail_points = any(step["name"] in _FAIL_POINTS for step in _steps(test["operations"]))
        options = _QUICK_HEARTBEATS if sets_fail_points else {}
        self.entities = Entities(deployment, api, options)
        self.matcher = Matcher(self.entities.value, self.entities.session_id)
        self.at_end: list[Callable[[], None]] = []
        """What turns off the fail points."""
        self._failures: list[Exception] = []
        self._limits_of_streams: dict[str, int | None] = {}
        """The timeoutMS that they were created with."""

    def __enter__(self) -> Play:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with ExitStack() as stack:
            names = {step["name"] for step in _steps(self._test["operations"])}
            if error is not None or names.intersection(_TRANSACTIONS):
                # "Terminating Open Transactions": they would lock the collections of the next test.
                stack.callback(self.deployment.end_sessions)
            stack.callback(self.entities.close)
            for undo in self.at_end:
                stack.callback(undo)

    def run(self) -> None:
        """Create the entities, perform the operations, check what was told."""
        with ExitStack() as stack:
            expects_messages = "expectLogMessages" in self._test
            records = (
                stack.enter_context(recorded_logs(self.api.logger)) if expects_messages else []
            )
            self.entities.create(self._file.get("createEntities", []))
            for step in self._test["operations"]:
                self.perform(step, self.api)
            self._check_what_was_told(records)

    def _check_what_was_told(self, records: list[LogRecord]) -> None:
        for expected in self._test.get("expectEvents", []):
            observer = self.entities.observer(expected["client"])
            # Some come from elsewhere: of monitors, of pools, of commands that end what was left.
            _soon(partial(check_events, expected, observer, self.matcher))
        for expected in self._test.get("expectTracingMessages", []):
            # A test may name a client that ends spans elsewhere: of a transaction that was left.
            recorder = self.entities.recorder(expected["client"])
            _soon(partial(check_spans, expected, recorder, self.matcher))
        for expected in self._test.get("expectLogMessages", []):
            observer = self.entities.observer(expected["client"])
            _soon(partial(check_messages, expected, observer, records, self.matcher))

    def perform(self, step: Document, api: Api, *, passes_errors: bool = False) -> None:
        """Perform one operation, and check its result or error.

        Args:
            step: the operation.
            api: where the calls are made from.
            passes_errors: raise the operation's error after it was checked.
        """
        name = step["name"]
        if step["object"] == "testRunner":
            if name not in OWN_OPERATIONS:
                raise Unsupported(f"testRunner.{name}")
            OWN_OPERATIONS[name](self, deepcopy(step.get("arguments", {})))
            return
        entity = self.entities[step["object"]]
        operation = OPERATIONS.get(entity.kind, {}).get(name)
        if operation is None:
            raise Unsupported(f"{entity.kind}.{name}")
        arguments = Arguments(deepcopy(step.get("arguments", {})))
        if "session" in arguments:
            arguments["session"] = self.entities.session(arguments["session"])
        if "callback" in arguments:
            arguments["callback"] = self._callback(arguments["callback"], api)
        target = entity.it if entity.is_face else api.face(entity.it)
        try:
            with api.enter(self._time_limit(step, operation, arguments, api)):
                result = operation.perform(target, arguments)
                if not api.is_ours:
                    # PyMongo's cursors have no timeout of their own.
                    result = operation.collect(result)
            if api.is_ours:
                result = operation.collect(result)
        except (Mismatch, Unsupported):
            raise
        except Exception as error:
            self._raise_failure()
            self._judge_error(step, error)
            if passes_errors:
                raise
            return
        self._raise_failure()
        self._judge_result(step, result, operation.returns)

    def _time_limit(
        self, step: Document, operation: Operation, arguments: Arguments, api: Api
    ) -> AbstractContextManager[None]:
        limit = arguments.pop("timeoutMS", None)
        if limit is None and step["name"].startswith("iterate"):
            limit = self._limits_of_streams.get(step["object"])
        is_per_call = step["name"] == "createChangeStream"
        if operation.opens_cursor:
            is_per_call = self._set_timeout_mode(arguments, limit, api) == "iteration"
        if is_per_call and "saveResultAsEntity" in step:
            # CSOT, "Cursors" and "Change Streams": it goes for each `next`, however many of ours,
            # which ask a server once, that takes.
            self._limits_of_streams[step["saveResultAsEntity"]] = limit
        return nullcontext() if limit is None else api.timeout(limit / 1000)

    @staticmethod
    def _set_timeout_mode(arguments: Arguments, limit: int | None, api: Api) -> str | None:
        """Say of a cursor with a timeout what that goes for; return it."""
        if not api.is_ours:
            if "timeoutMode" in arguments:
                raise Unsupported("timeoutMode")
            return None
        if limit is not None and "timeoutMode" not in arguments:
            # CSOT, "Non-tailable Cursors" and "Tailable Cursors": the modes that go without saying.
            is_tailable = arguments.get("cursorType", "nonTailable") != "nonTailable"
            arguments["timeoutMode"] = "iteration" if is_tailable else "cursorLifetime"
        mode: str | None = arguments.get("timeoutMode")
        return mode

    def _callback(self, steps: Sequence[Document], api: Api) -> Callable[[Any], Any]:
        """Return what performs operations inside of `with_transaction`.

        It passes errors on whatever is expected of them (Unified Test Format, "withTransaction").
        """

        def run() -> None:
            try:
                for step in steps:
                    self.perform(step, api, passes_errors=True)
            except (Mismatch, Unsupported) as error:
                # Not for the driver to judge, whatever it makes of it.
                self._failures.append(error)
                raise

        return api.callback(run)

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _judge_error(self, step: Document, error: Exception) -> None:
        if step.get("ignoreResultAndError"):
            return
        if "expectError" not in step:
            raise error
        check_error(step["expectError"], error, self.matcher)

    def _judge_result(self, step: Document, result: Any, kind: str) -> None:
        if step.get("ignoreResultAndError"):
            return
        if "expectError" in step:
            raise Mismatch(f"{step['name']} succeeded, not with {step['expectError']}")
        if "expectResult" in step:
            self.matcher.check(step["expectResult"], as_stored(result), root=kind != "exact")
        if "saveResultAsEntity" in step:
            self.entities.add(step["saveResultAsEntity"], Entity(kind, result, is_face=True))


def _steps(operations: Sequence[Document]) -> Iterator[Document]:
    """Return operations, and those inside of them."""
    for step in operations:
        yield step
        arguments = step.get("arguments", {})
        yield from _steps(arguments.get("callback", ()))
        yield from _steps([arguments["operation"]] if "operation" in arguments else ())


def _soon(check: Callable[[], None]) -> None:
    """Check until it is right; in the end raise the last Mismatch."""

    def is_right() -> bool:
        with suppress(Mismatch):
            check()
            return True
        return False

    if not wait_until(is_right, SOON):
        check()
