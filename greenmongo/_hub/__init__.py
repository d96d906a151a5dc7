"""The crossing: the hub thread and the ways in. Knows nothing of MongoDB."""

from greenmongo._hub.requirements import GeventMissing

__all__ = ["GeventMissing"]
