"""What is done to the deployment meanwhile: stepdowns, and one crash of the primary."""

from __future__ import annotations

from threading import Event
from time import monotonic

from greenmongo.embedded import EmbeddedServerError, Member, MongoServer
from tests.chaos.ledger import Fault, Ledger

__all__ = ["Faults"]

STEPDOWN_EVERY = 20.0
DOWN_FOR = 3.0
WHOLE_WITHIN = 60.0


class Faults:
    """Plays with the members of a set until told to stop."""

    def __init__(self, server: MongoServer, ledger: Ledger, began: float, seconds: float) -> None:
        self._server = server
        self._ledger = ledger
        self._until = began + seconds
        self._crash_at = began + seconds / 2
        self._stop = Event()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stop.set()

    def run(self) -> None:
        """Step the primary down now and again, and crash it once half-way."""
        has_crashed = False
        next_one = monotonic() + STEPDOWN_EVERY / 2
        while next_one < self._until:
            crashes = not has_crashed and next_one >= self._crash_at - STEPDOWN_EVERY / 2
            if self._stop.wait(max(0.0, next_one - monotonic())):
                return
            has_crashed = has_crashed or crashes
            self._do("kill -9" if crashes else "stepdown")
            next_one += STEPDOWN_EVERY

    def _do(self, name: str) -> None:
        began = monotonic()
        primary = self._server.wait_for_primary(WHOLE_WITHIN)
        if name == "stepdown":
            step_down(primary)
        else:
            primary.kill()
            self._stop.wait(DOWN_FOR)
            primary.restart(WHOLE_WITHIN)
        self._server.wait_for_primary(WHOLE_WITHIN)
        self._ledger.faults.append(Fault(f"{name} of {primary.port}", began, monotonic()))
        self._ledger.count(name)


def step_down(primary: Member) -> None:
    """Have another member elected."""
    try:
        primary.run({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2, "force": True})
    except (EmbeddedServerError, OSError):
        # It was not primary any more, or had no time to say that it stepped down.
        return
