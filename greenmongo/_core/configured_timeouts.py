"""What timeout errors say at their end: which limits hold, in PyMongo's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pymongo.errors import ExecutionTimeout, NetworkTimeout

if TYPE_CHECKING:
    from greenmongo._core.options import ClientOptions

__all__ = ["with_configured_timeouts"]

ErrorT = TypeVar("ErrorT", bound=Exception)

_BEGINNING = " (configured timeouts: "


def with_configured_timeouts(
    error: ErrorT, options: ClientOptions, operation_timeout: float | None = None
) -> ErrorT:
    """Return an error like the given one that says which limits are configured.

    One that has nothing to do with them, or says it already, is returned as it is.

    Args:
        error: what is about to be raised or reported.
        options: of the client.
        operation_timeout: the seconds that the whole operation may take; 0 and None are no limit.
    """
    if not isinstance(error, (NetworkTimeout, ExecutionTimeout)):
        return error
    # PyMongo's classes show a server's reply behind the message, and would show it twice.
    message = (isinstance(error.details, dict) and error.details.get("errmsg")) or str(error)
    limits = _limits(options, operation_timeout)
    if not limits or _BEGINNING in str(error):
        return error
    message = f"{message}{_BEGINNING}{limits})"
    told: Any
    if isinstance(error, ExecutionTimeout):
        told = type(error)(message, error.code, error.details)
    else:
        told = type(error)(message, error.details)
    told.__cause__ = error.__cause__
    again: ErrorT = told  # of the same class
    return again


def _limits(options: ClientOptions, operation_timeout: float | None) -> str:
    limits = {
        # It does not hold beside timeoutMS.
        "socketTimeoutMS": None if operation_timeout else options.socket_timeout,
        "timeoutMS": operation_timeout,
        "connectTimeoutMS": options.connect_timeout,
    }
    return ", ".join(f"{name}: {limit * 1000}ms" for name, limit in limits.items() if limit)
