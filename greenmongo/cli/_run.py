"""`run`: a program whose libraries import PyMongo, on this driver."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from greenmongo.compat import replace_pymongo

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_to"]


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "run",
        help="run a program with this driver in the place of PyMongo and Motor",
        description="Run a program in which whatever imports pymongo, gridfs or motor gets the "
        "classes of this driver: see greenmongo.compat.",
        epilog="python -m greenmongo run app.py --port 80; python -m greenmongo run -m celery -A "
        "tasks worker",
        usage="%(prog)s [-h] [-v] (SCRIPT | -m MODULE) [ARGUMENT ...]",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is replaced")
    parser.add_argument(
        "-m", dest="module", nargs=argparse.REMAINDER, metavar="MODULE", help="run a module"
    )
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="the file to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Run the program as `python` would; what it exits with is the exit code."""
    module = options.module
    if (options.script is None) == (module is None) or module == []:
        options.usage_error("name a script, or a module with -m")
    replacement = replace_pymongo()
    if options.verbose:
        print(replacement, file=sys.stderr)
    if module is not None:
        sys.argv = list(module)
        runpy.run_module(module[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [options.script, *options.arguments]
        sys.path[0] = str(Path(options.script).resolve().parent)
        runpy.run_path(options.script, run_name="__main__")
    return 0
