"""`demo`: run examples/quickstart.py against a local server."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from greenmongo.cli._check import Problem, look
from greenmongo.embedded import EmbeddedServerError, MongoServer

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_to"]

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "quickstart.py"
VARIABLE = "GREENMONGO_URI"
TIMEOUT = 5.0
"""Seconds to look for the server that is named."""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    help_text = "run examples/quickstart.py against a local server started for it"
    parser = commands.add_parser("demo", help=help_text, description=help_text)
    parser.add_argument("--mongo-uri", metavar="URI", help="use this server instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo and return its exit code."""
    if not SCRIPT.is_file():
        raise EmbeddedServerError(
            f"{SCRIPT} is not there: the examples come with the source, not with the package",
            "run the demo from a clone of the repository (make demo)",
            "missing",
        )
    if options.mongo_uri:
        # The script would wait for long, and end in a traceback.
        found = look(options.mongo_uri, TIMEOUT)
        if isinstance(found, Problem):
            print(f"greenmongo: {found.text}", file=sys.stderr)
            return found.code
        return run_script(options.mongo_uri)
    with MongoServer() as server:
        return run_script(server.uri)


def run_script(uri: str) -> int:
    return subprocess.run(
        [sys.executable, str(SCRIPT)], env=os.environ | {VARIABLE: uri}, check=False
    ).returncode
