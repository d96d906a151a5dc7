"""What is done to the deployment meanwhile: stepdowns, crashes and standstills of the primary."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from time import monotonic, sleep
from typing import TypeAlias

from greenmongo.embedded import EmbeddedServerError, Member, MongoServer
from tests.chaos.ledger import Fault, Ledger

__all__ = ["CRASH", "FREEZE", "STEPDOWN", "Faults", "Plan", "in_turn", "step_down"]

STEPDOWN, CRASH, FREEZE = "stepdown", "kill -9", "freeze"
DOWN_FOR = 3.0
FROZEN_FOR = 9.0
"""Longer than an election takes to begin, and than clients wait for a heartbeat."""
WHOLE_WITHIN = 60.0

Plan: TypeAlias = Sequence[tuple[float, str]]
"""Seconds after the beginning, and what happens then."""


def in_turn(names: Sequence[str], every: float, seconds: float) -> Plan:
    """Return a plan of one fault after another, the first after half of the time between two."""
    count = int((seconds - every / 2) // every) + 1 if seconds > every / 2 else 0
    return [(every / 2 + every * n, names[n % len(names)]) for n in range(count)]


class Faults:
    """Plays with the members of a set until told to stop."""

    def __init__(self, server: MongoServer, ledger: Ledger, began: float, plan: Plan) -> None:
        self._server = server
        self._ledger = ledger
        self._began = began
        self._plan = plan
        self._stop = Event()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stop.set()

    def run(self) -> None:
        """Do what the plan says, each fault when the one before is over."""
        for at, name in self._plan:
            if self._stop.wait(max(0.0, self._began + at - monotonic())):
                return
            self._do(name)

    def _do(self, name: str) -> None:
        began = monotonic()
        primary = self._server.wait_for_primary(WHOLE_WITHIN)
        if name == STEPDOWN:
            step_down(primary)
        elif name == FREEZE:
            freeze(primary)
        else:
            primary.kill()
            self._stop.wait(DOWN_FOR)
            primary.restart(WHOLE_WITHIN)
        self._server.wait_for_primary(WHOLE_WITHIN)
        self._ledger.faults.append(Fault(f"{name} of {primary.port}", began, monotonic()))
        self._ledger.count(name)


def freeze(member: Member) -> None:
    """Have a member stand still for a while."""
    member.freeze()
    try:
        sleep(FROZEN_FOR)
    finally:
        member.thaw()


def step_down(primary: Member) -> None:
    """Have another member elected."""
    try:
        primary.run({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2, "force": True})
    except (EmbeddedServerError, OSError):
        # It was not primary any more, or had no time to say that it stepped down.
        return
