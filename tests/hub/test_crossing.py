from __future__ import annotations

import contextvars
import gc
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event

from greenmongo._hub.call import Call
from greenmongo._hub.errors import MisuseError
from greenmongo._hub.native import allocate_lock, get_ident
from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import Door, in_hub, start

THREADS = 4


class Token:
    """Something one can keep a weak reference to."""


class Refusal(Exception):
    """Unlike the built-in exceptions it can be referred to weakly."""


def echo(value: Any) -> Any:
    return value


def fail(error: BaseException) -> None:
    raise error


def test_a_call_runs_on_the_hub_thread(hub_thread: HubThread, door: Door) -> None:
    here, there = door.call(lambda: (get_ident(), hub_thread.call(get_ident)))
    assert there == hub_thread.ident
    assert here != there


def test_arguments_and_result_are_the_very_objects(hub_thread: HubThread, door: Door) -> None:
    def returned(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    token = Token()
    args, kwargs = door.call(lambda: hub_thread.call(returned, token, name=token))
    assert args[0] is token
    assert kwargs == {"name": token}


def test_a_call_within_a_call_is_a_plain_call(hub_thread: HubThread, door: Door) -> None:
    def outer() -> tuple[object, object]:
        return gevent.getcurrent(), hub_thread.call(gevent.getcurrent)

    worker, same = door.call(lambda: hub_thread.call(outer))
    assert worker is same


def test_calls_of_one_caller_run_in_their_order(hub_thread: HubThread, door: Door) -> None:
    seen: list[int] = []
    door.call(lambda: [hub_thread.call(seen.append, n) for n in range(100)])
    assert seen == list(range(100))


def test_a_slow_call_does_not_hold_up_others(hub_thread: HubThread, door: Door) -> None:
    released = hub_thread.call(Event)
    slow = door.spawn(hub_thread.call, released.wait, 10.0)
    assert door.call(hub_thread.call, echo, "quick") == "quick"
    hub_thread.submit(released.set)
    assert slow() is True


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_no_call_is_lost_between_threads(hub_thread: HubThread) -> None:
    each = 25_000

    def call_many(first: int) -> int:
        run = hub_thread.call
        return sum(run(echo, n) == n for n in range(first, first + each))

    calls = [start(call_many, n * each) for n in range(THREADS)]
    assert [call.result(60) for call in calls] == [each] * THREADS


@pytest.mark.timeout(90)
def test_no_job_is_lost_between_threads(hub_thread: HubThread) -> None:
    each, counted, everything = 50_000, [0], allocate_lock()
    everything.acquire()

    def count() -> None:
        counted[0] += 1
        if counted[0] == THREADS * each:
            everything.release()

    def submit_many() -> None:
        for _ in range(each):
            hub_thread.submit(count)

    for submission in [start(submit_many) for _ in range(THREADS)]:
        submission.result(60)
    assert everything.acquire(timeout=10)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_no_call_is_lost_between_greenlets_of_two_threads(hub_thread: HubThread) -> None:
    def call_many() -> int:
        def many() -> int:
            return sum(hub_thread.call(echo, n) == n for n in range(250))

        return sum(each.get() for each in [gevent.spawn(many) for _ in range(40)])

    counts = [start(in_hub, call_many) for _ in range(2)]
    assert [count.result(30) for count in counts] == [10_000] * 2


def test_a_flood_of_jobs_does_not_stop_the_hub_from_doing_io(hub_thread: HubThread) -> None:
    is_over = False

    def flood() -> None:
        if not is_over:
            hub_thread.submit(flood)

    for _ in range(10):
        hub_thread.submit(flood)
    # A timer fires and a file descriptor is looked at only if the loop gets around to it.
    assert start(hub_thread.call, gevent.sleep, 0.01).result(15) is None
    is_over = True


def test_a_job_that_fails_takes_no_other_along(
    hub_thread: HubThread, capfd: pytest.CaptureFixture[str]
) -> None:
    def submit() -> None:
        hub_thread.submit(lambda: fail(ZeroDivisionError("in a job")))

    # Both are in one batch, since the hub is busy with submitting them.
    hub_thread.call(submit)
    assert hub_thread.call(echo, 1) == 1
    assert "ZeroDivisionError: in a job" in capfd.readouterr().err


@pytest.mark.parametrize(
    "error", [KeyError("k"), StopIteration(3), KeyboardInterrupt(), SystemExit(2), gevent.Timeout()]
)
def test_an_exception_is_the_very_object(
    hub_thread: HubThread, door: Door, error: BaseException
) -> None:
    def call() -> BaseException:
        with pytest.raises(type(error)) as caught:
            hub_thread.call(fail, error)
        return caught.value

    assert door.call(call) is error
    assert hub_thread.call(echo, 1) == 1


def test_the_traceback_leads_from_the_caller_to_the_function(
    hub_thread: HubThread, door: Door
) -> None:
    def calling_function() -> list[str]:
        with pytest.raises(KeyError) as caught:
            hub_thread.call(fail, KeyError("k"))
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    frames = door.call(calling_function)
    assert frames[0] == "calling_function"
    assert frames[-1] == "fail"


def explode() -> None:
    raise Refusal


def test_nothing_of_a_call_lives_on(hub_thread: HubThread, door: Door) -> None:
    references: list[weakref.ref[Any]] = []

    def call() -> None:
        given, returned = Token(), Token()
        references.extend(map(weakref.ref, (given, returned)))
        assert hub_thread.call(lambda _: returned, given) is returned
        try:
            hub_thread.call(explode)
        except Refusal as error:
            references.append(weakref.ref(error))

    gc.disable()  # Reference counting alone has to do.
    try:
        door.call(call)
        hub_thread.call(echo, None)
        assert [reference() for reference in references] == [None] * 3
    finally:
        gc.enable()


def test_a_callback_of_the_callers_hub_cannot_wait(hub_thread: HubThread) -> None:
    def call() -> object:
        result: AsyncResult[object] = AsyncResult()

        def callback() -> None:
            with pytest.raises(MisuseError, match=r"echo blocks.*gevent hub") as caught:
                hub_thread.call(echo, 1)
            result.set(caught.value)

        gevent.get_hub().loop.run_callback(callback)
        return result.get(timeout=10)

    assert isinstance(in_hub(call), MisuseError)


def test_a_callback_of_the_hub_thread_cannot_wait(hub_thread: HubThread) -> None:
    caught: list[BaseException] = []

    def job() -> None:
        try:
            hub_thread.call(echo, 1)
        except MisuseError as error:
            caught.append(error)

    hub_thread.submit(job)
    hub_thread.call(echo, None)
    assert "echo blocks" in str(caught[0])


class Recorder(Call):
    """A call that keeps what it is told."""

    __slots__ = ("told",)

    def __init__(self, thread: HubThread, fn: Callable[[], object]) -> None:
        super().__init__(thread.workers, fn)
        self.told: list[tuple[Any, BaseException | None]] = []

    def deliver(self, value: Any, error: BaseException | None) -> None:
        self.told.append((value, error))


def run_job(thread: HubThread, job: Callable[[], object]) -> None:
    thread.submit(job)
    thread.call(echo, None)


def test_a_call_is_answered_once(hub_thread: HubThread) -> None:
    call = Recorder(hub_thread, lambda: "done")

    def everything() -> None:
        call.begin()
        call.begin()
        call.refuse(ValueError())
        call.leave()
        call.stop()

    run_job(hub_thread, everything)
    assert call.told == [("done", None)]


def test_a_call_left_before_its_start_neither_runs_nor_answers(hub_thread: HubThread) -> None:
    ran: list[int] = []
    call = Recorder(hub_thread, lambda: ran.append(1))

    def everything() -> None:
        call.leave()
        call.begin()
        call.refuse(ValueError())

    run_job(hub_thread, everything)
    assert (ran, call.told) == ([], [])


def test_a_call_sees_the_context_variables_it_was_given(hub_thread: HubThread) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variables = contextvars.copy_context()
    variables.run(variable.set, "ours")
    call = Recorder(hub_thread, variable.get)
    call.variables = variables
    run_job(hub_thread, call.begin)
    assert call.told == [("ours", None)]
    assert hub_thread.call(variable.get) == "unset"
