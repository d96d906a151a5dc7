"""How an operation of the unified format is performed: by a method of PyMongo's API."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.spec.unified.arguments import Arguments
from tests.spec.unified.outcomes import Unsupported
from tests.support.loop_actor import bare

__all__ = ["Operation", "check_keywords", "method", "method_of"]


def _same(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class Operation:
    """How one operation is performed."""

    perform: Callable[[Any, Arguments], Any]
    """Called with the entity and the arguments; it takes out all of these."""
    returns: str = "value"
    """What is returned: a "value", whose documents may have more keys than expected, an "exact"
    one, or another entity by its kind, such as "cursor"."""
    opens_cursor: bool = False
    """`perform` returns a cursor, which has a timeout of its own if one is given."""
    collect: Callable[[Any], Any] = _same
    """Makes the result of what `perform` returned. It is outside of the operation's time limit:
    that is the cursor's business."""


def method(
    name: str,
    *positional: str,
    unchanged: bool = False,
    convert: Callable[[Any], Any] = _same,
    shape: Callable[[Any], Any] = _same,
    returns: str = "value",
    lists: bool = False,
) -> Operation:
    """Make an operation of a method.

    Args:
        name: the method.
        positional: the arguments that have to be there, in order.
        unchanged: the method takes options of the command by their own names.
        convert: makes of each positional argument what the method takes.
        shape: makes of the method's result what the format says is returned.
        returns: what that is.
        lists: the method returns a cursor, of which all documents are asked for.
    """

    def perform(target: Any, arguments: Arguments) -> Any:
        values = [convert(arguments.required(argument)) for argument in positional]
        keywords = arguments.keywords(unchanged)
        check_keywords(method_of(target, name), keywords)
        return shape(getattr(target, name)(*values, **keywords))

    if lists:
        return Operation(perform, returns, opens_cursor=True, collect=list)
    return Operation(perform, returns)


def method_of(target: Any, name: str) -> Callable[..., Any]:
    """Return a method, as it looks from outside.

    Raises:
        Unsupported: there is none.
    """
    it = bare(target)
    # Of the class: any other attribute of a client is a database.
    if not hasattr(type(it), name):
        raise Unsupported(f"there is no {type(it).__name__}.{name}")
    found: Callable[..., Any] = getattr(it, name)
    return found


def check_keywords(of: Callable[..., Any], keywords: Mapping[str, Any]) -> None:
    """Raise Unsupported if a method has no parameters of these names."""
    parameters = inspect.signature(of).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        unknown = keywords.keys() - {parameter.name for parameter in parameters}
        if unknown:
            raise Unsupported(f"{of.__name__} has no argument {sorted(unknown)}")
