"""`serve`: a local MongoDB deployment in the foreground."""

from __future__ import annotations

import argparse
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from greenmongo.embedded import EmbeddedServerError, MongoServer

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_to"]

LOOK_EVERY = 0.5


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    help_text = "run a local MongoDB in the foreground until Ctrl-C; its data is temporary"
    parser = commands.add_parser("serve", help=help_text, description=help_text)
    parser.add_argument("--members", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--port", type=port, help="of the first member; default: a free one")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--standalone", action="store_true", help="no replica set")
    kind.add_argument("--replica-set", default="rs0", metavar="NAME", help="default: %(default)s")
    parser.set_defaults(run=run, usage_error=parser.error)


def port(text: str) -> int:
    """Read a port; what it raises argparse puts into words."""
    value = int(text)
    if not 0 < value < 65_536:
        raise argparse.ArgumentTypeError(f"{text} is no port: they go from 1 to 65535")
    return value


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return 0 then."""
    if options.members < 1 or (options.standalone and options.members > 1):
        options.usage_error("--members must be at least 1, and 1 with --standalone")
    # SIGINT too: a shell starts its background jobs with it ignored, and Python keeps it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    replica_set = None if options.standalone else options.replica_set
    try:
        with MongoServer(options.members, replica_set, port=options.port) as server:
            print(server.uri, flush=True)
            wait_for_a_death(server)
    except KeyboardInterrupt:
        return 0
    raise EmbeddedServerError("a server ended by itself", "see whether memory or disk ran out")


def interrupt(number: int, frame: FrameType | None) -> None:
    """End the block, and with it the server."""
    raise KeyboardInterrupt


def wait_for_a_death(server: MongoServer) -> None:
    clock = threading.Event()
    while all(member.is_running for member in server.members):
        clock.wait(LOOK_EVERY)
