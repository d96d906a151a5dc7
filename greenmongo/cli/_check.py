"""`check`: what is installed; or, given a URI, what can be reached there."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from greenmongo.cli.failures import in_one_line
from greenmongo.embedded import EmbeddedServerError, find_server

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from greenmongo.cli.deployment import Deployment

__all__ = ["Problem", "add_to", "look"]

STACK = ("greenmongo", "gevent", "greenlet", "anyio", "pymongo", "dnspython", "trio", "uvloop")
EXAMPLES = """examples:
  greenmongo check                                       what is installed here
  greenmongo check mongodb://localhost:27017             topology, latency, TLS, login, pool
  greenmongo check mongodb://db1,db2/?replicaSet=rs0 --primary
  greenmongo check localhost --json --timeout 2          for scripts

exit code: 0 all is well; 1 it is not (no server, no login, no primary); 2 wrong arguments
"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    help_text = "look at a deployment, or, without a URI, at what is installed"
    parser = commands.add_parser(
        "check",
        help=help_text,
        description=help_text,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", nargs="?", metavar="URI", help="connection string, or a host")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to look for a server; default: %(default)g",
    )
    parser.add_argument("--primary", action="store_true", help="fail if there is no primary")
    parser.set_defaults(run=run)


def seconds(text: str) -> float:
    """Read a number of seconds; what it raises argparse puts into words."""
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no time to wait")
    return value


def run(options: argparse.Namespace) -> int:
    """Print the report and return the exit code."""
    return check_stack() if options.uri is None else check_deployment(options)


# ---- a deployment -------------------------------------------------------------------------------


def check_deployment(options: argparse.Namespace) -> int:
    found = look(options.uri, options.timeout)
    if isinstance(found, Problem):
        return fail(found.text, found.code, as_json=options.json)
    if options.primary and found.primary is None:
        return fail("there is no primary", 1, as_json=options.json, found=found)
    if options.json:
        print(json.dumps({"ok": True, **found.as_document()}))
    else:
        print(*lines_of(found), sep="\n")
    return 0


class Problem(NamedTuple):
    """Why a deployment cannot be used, and the exit code that says so."""

    text: str
    code: int


def look(uri: str, timeout: float) -> Deployment | Problem:
    """Look at a deployment.

    Args:
        uri: the connection string, or a host.
        timeout: how many seconds each step may take.
    """
    from greenmongo.cli.deployment import Unreachable, look_at

    try:
        return look_at(uri, timeout)
    except Unreachable as error:
        return Problem(f"no server answered within {timeout:g} s: {error}", 1)
    except (ConfigurationError, InvalidURI, TypeError, ValueError) as error:
        return Problem(in_one_line(error), 2)
    except PyMongoError as error:
        return Problem(in_one_line(error), 1)


def fail(problem: str, code: int, *, as_json: bool, found: Deployment | None = None) -> int:
    if as_json:
        known = {} if found is None else found.as_document()
        print(json.dumps({"ok": False, "error": problem, **known}))
    else:
        print(f"greenmongo: {problem}", file=sys.stderr)
    return code


def lines_of(found: Deployment) -> Iterator[str]:
    """Yield the report."""
    name = f" {found.set_name!r}" if found.set_name else ""
    yield f"deployment   {found.kind}{name}, MongoDB {found.version}"
    for server in found.servers:
        known = "" if server.round_trip_ms is None else f", {server.round_trip_ms:.1f} ms"
        tags = "".join(f", {key}={value}" for key, value in server.tags.items())
        problem = f": {server.error}" if server.error else ""
        yield f"  {server.address:<26} {server.kind}{known}{tags}{problem}"
    yield f"primary      {found.primary or 'none'}"
    ping = found.ping_ms
    yield (
        f"ping         {ping['median']:.2f} ms (median of a few; {ping['min']:.2f} to "
        f"{ping['max']:.2f})"
    )
    yield f"TLS          {'yes' if found.tls else 'no'}"
    yield f"logged in    {', '.join(found.users) or 'as nobody'}"
    pool = found.pool
    limit = f"at most {pool['max']}" if pool["max"] else "no limit"
    yield f"pool         {pool['open']} open, {pool['created']} created, {limit}"


# ---- what is installed --------------------------------------------------------------------------


def check_stack() -> int:
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
