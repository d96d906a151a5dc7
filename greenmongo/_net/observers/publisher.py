"""The listeners and loggers of one client, and the ways in which they are notified.

None of the user's code runs on the hub thread. What belongs to an operation runs in its caller's
place (`notify_caller`). The events of pools and of the deployment, whoever has caused them, go
through the background thread, which keeps their order.

Hub side, unless it is said otherwise.
"""

from __future__ import annotations

import logging
import os
import traceback
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from bson.objectid import ObjectId
from pymongo.monitoring import (
    CommandListener,
    ConnectionPoolListener,
    ServerHeartbeatListener,
    ServerListener,
    TopologyListener,
)

from greenmongo._core.log_message import LogMessage, extended_json, max_document_length
from greenmongo._hub.background import run_in_background, wait_for_background

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from greenmongo._core.options import Listener

__all__ = [
    "COMMAND",
    "CONNECTION",
    "DEBUG",
    "IS_LOGGING",
    "SERVER_SELECTION",
    "TOPOLOGY",
    "Publisher",
    "log",
    "notify",
]

DEBUG = logging.DEBUG

COMMAND = logging.getLogger("greenmongo.command")
TOPOLOGY = logging.getLogger("greenmongo.topology")
SERVER_SELECTION = logging.getLogger("greenmongo.serverSelection")
CONNECTION = logging.getLogger("greenmongo.connection")

_LISTENERS = logging.getLogger("greenmongo.listeners")

IS_LOGGING: ContextVar[bool] = ContextVar("greenmongo_is_logging", default=False)
"""Whether the code is a log handler's, which got a message of the driver's."""


class Publisher:
    """The listeners of one client."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self.id = ObjectId()
        """The topology's id in events, the client's in log messages."""
        self.command_listeners = [x for x in listeners if isinstance(x, CommandListener)]
        self.pool_listeners = [x for x in listeners if isinstance(x, ConnectionPoolListener)]
        self.server_listeners = [x for x in listeners if isinstance(x, ServerListener)]
        self.topology_listeners = [x for x in listeners if isinstance(x, TopologyListener)]
        self.heartbeat_listeners = [x for x in listeners if isinstance(x, ServerHeartbeatListener)]
        self._has_put = False

    def put(self, fn: Callable[..., object], *args: Any) -> None:
        """Have a listener called in the background, after those before it."""
        self._has_put = True
        run_in_background(partial(notify, fn, *args))

    def put_log(self, logger: logging.Logger, fields: Mapping[str, Any]) -> None:
        """Have a message logged in the background, where a caller's context variables are known.

        None is logged of what a log handler does itself: it would go on for ever.
        """
        if not IS_LOGGING.get():
            self._has_put = True
            message = LogMessage({**fields, "clientId": self.id})
            context = copy_context()
            run_in_background(lambda: context.run(log, logger, DEBUG, message))

    def wait(self, timeout: float) -> None:
        """Wait until what was put has been told, in vain if a listener blocks. Any side."""
        if self._has_put:
            wait_for_background(timeout)

    def shorten(self, document: Mapping[str, Any]) -> str:
        """Return a document as a log message shows it. Any side."""
        return extended_json(document, max_document_length(os.environ))


def notify(fn: Callable[..., object], *args: Any) -> None:
    """Call a listener; what it raises goes to the log. Where the user's code may run."""
    try:
        fn(*args)
    except Exception:
        _report("An event listener failed: %r", fn)


def log(logger: logging.Logger, level: int, message: object, *args: object) -> None:
    """Log a message, unless it is about what a log handler does with one.

    Where the user's code may run. A handler that uses a client would log without end otherwise.
    """
    if IS_LOGGING.get():
        return
    token = IS_LOGGING.set(True)
    try:
        logger.log(level, message, *args)
    except Exception:
        _report("A log handler failed: %r", logger)
    finally:
        IS_LOGGING.reset(token)


def _report(text: str, culprit: object) -> None:
    try:
        _LISTENERS.exception(text, culprit)
    except Exception:
        # It is the log itself that fails.
        traceback.print_exc()
