"""What a library that wraps the driver says of itself: PyMongo's class."""

from __future__ import annotations

from pymongo.driver_info import DriverInfo

__all__ = ["DriverInfo"]
