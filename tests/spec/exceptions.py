"""The tests of the specifications that cannot pass, and why.

A test in this list that passes after all fails the run: then the line has to go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from greenmongo._wire.compression import is_available

__all__ = ["EXCEPTIONS", "Exempt", "exemption_of"]


@dataclass(frozen=True)
class Exempt:
    """Tests that cannot pass."""

    path: str
    """The file, below `source/`."""
    names: str
    """A regular expression found in the tests' descriptions."""
    reason: str
    applies: bool = True
    """Whether it is so here; what is installed can make a difference."""
    is_certain: bool = True
    """Whether they fail each time, however slow the machine is."""

    def fits(self, name: str) -> bool:
        """Tell whether a test of the file is meant."""
        return re.search(self.names, name) is not None


EXCEPTIONS = (
    Exempt(
        "auth/tests/legacy/connection-string.json",
        r"^should throw an exception if (username and password|AWS_SESSION_TOKEN) provided"
        r" \(MONGODB-AWS\)",
        "as in PyMongo, keys for AWS may be given in the connection string",
    ),
    Exempt(
        "client-side-operations-timeout/tests/runCursorCommand.json",
        "iteration timeoutMS is refreshed for getMore( if timeoutMode is iteration)? - failure$",
        "the file expects a timeout where there is none by the specification: a getMore of 60 ms"
        " has 100 ms; in the last of the three there is no timeoutMS, and no getMore",
        is_certain=False,
    ),
    Exempt(
        "connection-string/tests/valid-auth.json",
        "^Subdelimiters in user/pass",
        "as in PyMongo, whose documentation recommends quote_plus(): a plus sign in user"
        " information is a space",
    ),
    Exempt(
        "uri-options/tests/compression-options.json",
        "^Multiple compressors are parsed correctly",
        "the optional libraries for snappy and zstd are not both installed here, and asking for"
        " what is not there warns",
        applies=not (is_available("snappy") and is_available("zstd")),
    ),
    Exempt(
        "uri-options/tests/single-threaded-options.json",
        "^Valid options",
        "serverSelectionTryOnce is for drivers that select a server in one thread",
    ),
    Exempt(
        "uri-options/tests/tls-options.json",
        "^(?!Invalid).*tlsDisableCertificateRevocationCheck",
        "as in PyMongo, there is no such option: nothing is looked up but a tlsCRLFile",
    ),
)


def exemption_of(path: str, name: str) -> Exempt | None:
    """Return what says that, and why, a test cannot pass; None if it can."""
    for exempt in EXCEPTIONS:
        if exempt.applies and exempt.path == path and exempt.fits(name):
            return exempt
    return None
