"""Without gevent nothing works; an installation that lacks it, or has a broken one, says so."""

from __future__ import annotations

from pymongo.errors import ConfigurationError

__all__ = ["GeventMissing"]


class GeventMissing(ConfigurationError, ImportError):
    """gevent, which greenmongo is built on, cannot be imported."""


try:
    import gevent  # noqa: F401  # only whether it can be imported
except ImportError as error:
    raise GeventMissing(
        f"greenmongo needs gevent, which cannot be imported ({error}): pip install gevent"
    ) from error
