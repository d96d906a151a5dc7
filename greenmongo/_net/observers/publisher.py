"""Delivers one client's events and log messages, in order, without harm to the driver.

Listeners run on the hub thread. One that yields (it may use a client) must not let others in
between the steps of a change: whoever changes something *holds* the deliveries until the change is
complete. And what happens while a listener is at work waits for its turn, so that the order stays.

Hub side only.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from typing import TYPE_CHECKING, Any

import gevent
from bson.objectid import ObjectId
from gevent.hub import Hub, getcurrent
from pymongo.monitoring import (
    CommandListener,
    ConnectionPoolListener,
    ServerHeartbeatListener,
    ServerListener,
    TopologyListener,
)

from greenmongo._core.log_message import LogMessage, extended_json, max_document_length

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from greenmongo._core.options import Listener

__all__ = ["COMMAND", "CONNECTION", "DEBUG", "SERVER_SELECTION", "TOPOLOGY", "Publisher"]

DEBUG = logging.DEBUG

COMMAND = logging.getLogger("greenmongo.command")
TOPOLOGY = logging.getLogger("greenmongo.topology")
SERVER_SELECTION = logging.getLogger("greenmongo.serverSelection")
CONNECTION = logging.getLogger("greenmongo.connection")

_LISTENERS = logging.getLogger("greenmongo.listeners")


class Publisher:
    """The listeners of one client, and the order in which they are told.

    Used as a context manager it holds the deliveries until the end of the block.
    """

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self.id = ObjectId()
        """The topology's id in events, the client's in log messages."""
        self.command_listeners = [x for x in listeners if isinstance(x, CommandListener)]
        self.pool_listeners = [x for x in listeners if isinstance(x, ConnectionPoolListener)]
        self.server_listeners = [x for x in listeners if isinstance(x, ServerListener)]
        self.topology_listeners = [x for x in listeners if isinstance(x, TopologyListener)]
        self.heartbeat_listeners = [x for x in listeners if isinstance(x, ServerHeartbeatListener)]
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._holders = 0
        self._is_delivering = False

    def __enter__(self) -> Publisher:
        self._holders += 1
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._holders -= 1
        if self._queue:
            self._deliver()

    def put(self, fn: Callable[..., object], *args: Any) -> None:
        """Call `fn` in its turn: now, unless deliveries are held or under way."""
        self._queue.append((fn, args))
        self._deliver()

    def put_log(
        self, logger: logging.Logger, fields: Mapping[str, Any], level: int = DEBUG
    ) -> None:
        """Log a message in its turn."""
        self.put(logger.log, level, LogMessage({**fields, "clientId": self.id}))

    def notify(self, fn: Callable[..., object], *args: Any) -> None:
        """Call `fn` now, in the caller's greenlet, whatever else is under way."""
        try:
            fn(*args)
        except Exception:
            _LISTENERS.exception("An event listener failed: %r", fn)

    def shorten(self, document: Mapping[str, Any]) -> str:
        """Return a document as a log message shows it."""
        return extended_json(document, max_document_length(os.environ))

    def _deliver(self) -> None:
        if self._holders or self._is_delivering:
            return
        if isinstance(getcurrent(), Hub):
            # A listener may wait, but not in the hub itself.
            self._is_delivering = True
            gevent.spawn(self._deliver_all)
            return
        self._deliver_all()

    def _deliver_all(self) -> None:
        self._is_delivering = True
        queue = self._queue
        try:
            while queue:
                fn, args = queue.popleft()
                self.notify(fn, *args)
        finally:
            self._is_delivering = False
            if queue:
                # This greenlet was killed in the middle of a listener: another one goes on.
                self._is_delivering = True
                gevent.spawn(self._deliver_all)
