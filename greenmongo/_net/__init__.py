"""The deeds: sockets, pool, topology and executor. Everything here runs on the hub thread."""

from greenmongo._hub import GeventMissing  # first, to tell that gevent is missing

__all__ = ["GeventMissing"]
