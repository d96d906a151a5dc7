"""The signatures that `help` and `inspect` show of borrowed methods, with the async classes.

A blocking method is annotated with blocking classes. Annotations are text here, so the names in it
are exchanged, and what is awaited is shown as a coroutine.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["coroutine_of", "coroutine_of_steps", "show", "task_of"]

_TWINS = re.compile(
    r"(?<![\w.])(Legacy)?"
    r"(MongoClient|Database|Collection|Cursor|CommandCursor|RawBatchCursor|RawBatchCommandCursor"
    r"|ClientSession|ChangeStream|Request|Connection|ReplicaSetConnection|BulkOperationBuilder"
    r"|TransactionBlock|BoundSession"
    r"|GridFS|GridFSBucket|GridIn|GridOut|GridOutCursor)(?!\w)"
)
"""The blocking classes that have an async face, as annotations name them."""


def coroutine_of(result: str) -> str:
    """Return the type of what a coroutine function returns before it is awaited."""
    return f"Coroutine[Any, Any, {result}]"


def coroutine_of_steps(result: str) -> str:
    """Return the same for a method that is written as the steps to its result."""
    return coroutine_of(re.sub(r"^ReadSteps\[(.*)\]$", r"\1", result))


def task_of(result: str) -> str:
    """Return the type of a task with a coroutine's result."""
    return re.sub(r"^Coroutine\[Any, Any, (.*)\]$", r"Task[\1]", result)


def show(
    method: Any, fn: Callable[..., Any], result: Callable[[str], str] = lambda text: text
) -> None:
    """Have `method` show the signature of `fn`, with the async classes' names.

    Args:
        method: what was borrowed.
        fn: where it was borrowed.
        result: what becomes of the type of the result.
    """
    signature = inspect.signature(fn)
    method.__signature__ = signature.replace(
        parameters=[
            each.replace(annotation=_twins(each.annotation))
            for each in signature.parameters.values()
        ],
        return_annotation=_twins(signature.return_annotation, result),
    )


def _twins(annotation: Any, result: Callable[[str], str] = lambda text: text) -> Any:
    if not isinstance(annotation, str):
        # There is none, or it is no text.
        return annotation
    return result(_TWINS.sub(r"Async\g<0>", annotation))
