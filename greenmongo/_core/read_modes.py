"""The modes of a read preference by the numbers that PyMongo's objects carry (`.mode`)."""

from __future__ import annotations

from typing import Final

PRIMARY: Final = 0
PRIMARY_PREFERRED: Final = 1
SECONDARY: Final = 2
SECONDARY_PREFERRED: Final = 3
NEAREST: Final = 4
