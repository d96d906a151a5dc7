"""The command line: run a local server, see the demo, look at the installation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from greenmongo.cli import _check, _demo, _migrate, _run, _serve
from greenmongo.embedded import EmbeddedServerError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m greenmongo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (_serve, _demo, _check, _run, _migrate):
        module.add_to(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except EmbeddedServerError as error:
        print(f"greenmongo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
