"""The version of the driver: what the handshake and `greenmongo.__version__` say.

Written here and not read from the installed distribution, which takes milliseconds of every start.
"""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
