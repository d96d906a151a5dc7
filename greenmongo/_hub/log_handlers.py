"""Log handlers that buffer, at the end of the process.

`logging.shutdown`, which flushes them, is called behind the driver's own end: the logging module
is always imported before. A handler that writes to MongoDB would lose what it holds. So they are
flushed once more, before the driver ends.
"""

from __future__ import annotations

import logging

__all__ = ["flush_log_handlers"]


def flush_log_handlers() -> None:
    """Flush the handlers of all loggers."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    handlers = [
        handler
        for logger in loggers
        # Names that only have something below them have a placeholder.
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
    ]
    for handler in dict.fromkeys(handlers):
        try:
            handler.flush()
        except Exception:
            # As every handler does with what goes wrong with a record; the others are flushed.
            handler.handleError(
                logging.makeLogRecord({"name": "greenmongo", "msg": "flushed at exit"})
            )
