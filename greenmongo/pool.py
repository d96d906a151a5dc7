"""The options of pools, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._core.options.pool_options import PoolOptions

__all__ = ["PoolOptions"]
