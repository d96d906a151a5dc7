"""What can go wrong with the crossing itself."""

from __future__ import annotations

from greenlet import GreenletExit
from pymongo.errors import InvalidOperation

__all__ = ["CallAbandoned", "HubClosed", "WrongHub"]


class HubClosed(InvalidOperation):
    """The hub thread is stopping, or died, before it could answer the call."""


class WrongHub(InvalidOperation):
    """A blocking call was made where nothing may block: inside a hub's own callback."""


class CallAbandoned(GreenletExit):
    """Thrown into the greenlet that runs a call whose caller has left."""
