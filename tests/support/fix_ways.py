"""The two ways of an operation: the straight one of the ordinary, and that which all could take.

With `GREENMONGO_STRAIGHT_PATH=0` in the environment everything takes the second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, TypeAlias

import pytest

from greenmongo._core.command import Command, Reply
from greenmongo._net import engine
from greenmongo._net.operation import Operation
from greenmongo._net.operation_context import OperationContext

__all__ = ["VARIABLE", "Way", "set_way"]

VARIABLE = "GREENMONGO_STRAIGHT_PATH"

Way: TypeAlias = Literal["straight", "general"]


def run_generally(context: OperationContext, command: Command) -> Reply:
    """Run a command as an unusual one is run."""
    return Operation(context, command, None).run()


def set_way(patch: pytest.MonkeyPatch, way: Way) -> None:
    """Let operations go one way from now on."""
    if way == "general":
        patch.setattr(engine, "run_ordinarily", run_generally)


@pytest.fixture(scope="session", autouse=True)
def _way_of_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        set_way(patch, "general" if os.environ.get(VARIABLE) == "0" else "straight")
        yield
