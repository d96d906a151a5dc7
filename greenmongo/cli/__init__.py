"""The command line: look at a deployment, run one, move code, measure."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from greenmongo.cli import _bench, _check, _demo, _migrate, _run, _serve
from greenmongo.embedded import EmbeddedServerError

__all__ = ["main"]

EPILOG = "`greenmongo COMMAND --help` shows examples."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for a failure, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="greenmongo", description=__doc__, epilog=EPILOG)
    version = importlib.metadata.version("greenmongo")
    parser.add_argument("--version", action="version", version=f"greenmongo {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (_check, _serve, _demo, _run, _bench, _migrate):
        module.add_to(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except EmbeddedServerError as error:
        print(f"greenmongo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has enough (`| head`). Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
