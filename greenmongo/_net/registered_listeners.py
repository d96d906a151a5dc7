"""The listeners that programs registered with PyMongo for all clients to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.client_options import ClientOptions

if TYPE_CHECKING:
    from greenmongo._core.options.client_options import Listener

__all__ = ["registered_listeners"]


def registered_listeners() -> tuple[Listener, ...]:
    """Return what `pymongo.monitoring.register` was given so far, each listener once.

    Instrumentations register before clients are made, and expect each of them to report. PyMongo
    has no function that lists them, but its options of a client begin with them.
    """
    # PyMongo's annotation of it is an internal class.
    listeners: list[Any] = list(ClientOptions("", "", None, {}).event_listeners)
    # A listener of several kinds stands there once for each.
    return tuple({id(each): each for each in listeners}.values())
