"""The tests of the specifications that cannot pass, and why.

A test in this list that passes after all fails the run: then the line has to go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from greenmongo._wire.compression import is_available

__all__ = ["EXCEPTIONS", "Exempt", "reason_for"]


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
        "client-side-operations-timeout/tests/convenient-transactions.json",
        "^withTransaction raises a client-side error if timeoutMS is overridden inside",
        "as in PyMongo, an operation has no timeoutMS of its own, and one block of timeout() within"
        " another may shorten its time",
    ),
    Exempt(
        "client-side-operations-timeout/tests/tailable-awaitData.json",
        "^error on (find|aggregate) if maxAwaitTimeMS|^apply remaining timeoutMS",
        "as in PyMongo, timeoutMS limits each command of a tailable cursor, and is not compared"
        " with maxAwaitTimeMS",
    ),
    Exempt(
        "client-side-operations-timeout/tests/tailable-non-awaitData.json",
        "^timeoutMS applied to find$|^timeoutMS is refreshed for getMore",
        "as in PyMongo, maxTimeMS goes along with tailable cursors too",
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


def reason_for(path: str, name: str) -> str | None:
    """Return why a test cannot pass; None if it can."""
    for exempt in EXCEPTIONS:
        if exempt.applies and exempt.path == path and exempt.fits(name):
            return exempt.reason
    return None
