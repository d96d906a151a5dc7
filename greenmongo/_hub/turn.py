"""Whose turn it is: one caller's at a time, whatever threads, greenlets and tasks they are."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from gevent.hub import getcurrent

from greenmongo._hub.errors import MisuseError
from greenmongo._hub.one_shot import new_one_shot
from greenmongo._hub.process_state import process_generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._hub.one_shot import OneShot

__all__ = ["Turn"]

R = TypeVar("R")

POLL_INTERVAL = 0.5
"""Seconds after which a thread that waits looks up, so that it notices a Ctrl-C."""


class _Claim:
    """Somebody's who has the turn, or wants it."""

    __slots__ = ("generation", "greenlet")

    def __init__(self) -> None:
        self.greenlet = getcurrent()
        self.generation = process_generation()


class Turn:
    """Has functions run one at a time. A thread waits; a greenlet lets others of its hub run.

    Unlike gevent's locks it can be waited for, and given on, in any thread. It is not fair.

    Args:
        what: what is done in turn, for the error of one who does it while at it.
    """

    __slots__ = ("_claims", "_waiting", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._claims: dict[str, _Claim] = {}
        """Has one entry at most. Its owner is in it from the very moment on at which it is taken,
        so that none is left behind by whoever is interrupted."""
        self._waiting: deque[OneShot] = deque()

    def run(self, fn: Callable[[], R]) -> R:
        """Return `fn()`, when it is the caller's turn. Any side.

        Raises:
            MisuseError: the caller has the turn already; or is a callback, which cannot wait.
        """
        claim = _Claim()
        try:
            if self._claims.setdefault("", claim) is not claim:
                self._wait(claim)
            return fn()
        finally:
            self._give_back(claim)

    def run_at_once(self, fn: Callable[[], object]) -> bool:
        """Call `fn()` if it is nobody's turn now; tell whether. Any side; never waits."""
        claim = _Claim()
        try:
            if self._claims.setdefault("", claim) is not claim:
                return False
            fn()
            return True
        finally:
            self._give_back(claim)

    def _wait(self, claim: _Claim) -> None:
        while True:
            holder = self._claims.setdefault("", claim)
            if holder is claim:
                return
            if holder.generation != claim.generation:
                # It was forked while somebody had it who is not here.
                self._claims.clear()
                continue
            if holder.greenlet is claim.greenlet:
                raise MisuseError(
                    f"{self._what} while this is under way in the same place: in a listener, a log "
                    "handler, a codec or a signal handler that it has called",
                    "do it when that has returned",
                )
            shot = new_one_shot(self._what)
            self._waiting.append(shot)
            # Whoever had it may have given it back before it could see that somebody waits.
            while self._claims and not shot.wait(POLL_INTERVAL):
                # Every now and then the interpreter looks whether there was a signal.
                continue

    def _give_back(self, claim: _Claim) -> None:
        if self._claims.get("") is claim:
            del self._claims[""]
            if self._waiting:
                self._wake()

    def _wake(self) -> None:
        # All of them: the first may have left.
        while self._waiting:
            try:
                self._waiting.popleft().set(None, None)
            except IndexError:  # another one has just woken the last one
                return
