"""`check`: what is installed, and is there a server to run."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

from greenmongo.embedded import EmbeddedServerError, find_server

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_to"]

STACK = ("greenmongo", "gevent", "greenlet", "anyio", "pymongo", "dnspython", "trio", "uvloop")


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    help_text = "print the versions of the stack and whether a mongod is found"
    parser = commands.add_parser("check", help=help_text, description=help_text)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report; return 1 when no server can be run."""
    for name, value in versions():
        print(f"{name:<12} {value}")
    try:
        server = find_server()
        version = ".".join(map(str, server.version())) or "emulator, standalone only"
    except EmbeddedServerError as error:
        print(f"{'mongod':<12} not usable: {error}")
        return 1
    print(f"{'mongod':<12} {version} ({server.path}, from {server.found_in})")
    return 0


def versions() -> Iterator[tuple[str, str]]:
    yield platform.python_implementation(), f"{platform.python_version()} on {platform.platform()}"
    for name in STACK:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed"
