"""Motor's names and habits: the classes of `bridge.motor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._bridge_door import names_of_bridge

if TYPE_CHECKING:
    from bridge.motor import (
        AsyncIOMotorChangeStream,
        AsyncIOMotorClient,
        AsyncIOMotorClientEncryption,
        AsyncIOMotorClientSession,
        AsyncIOMotorCollection,
        AsyncIOMotorCommandCursor,
        AsyncIOMotorCursor,
        AsyncIOMotorDatabase,
        AsyncIOMotorGridFSBucket,
        AsyncIOMotorGridIn,
        AsyncIOMotorGridOut,
        AsyncIOMotorGridOutCursor,
    )
else:
    __getattr__, __dir__ = names_of_bridge(__name__, ".motor")

version = "3.7.1"
"""The release of Motor whose names these are."""
version_tuple = (3, 7, 1)


def get_version_string() -> str:
    """Return the release of Motor whose names these are."""
    return version


__all__ = [
    "get_version_string",
    "version",
    "version_tuple",
    "AsyncIOMotorChangeStream",
    "AsyncIOMotorClient",
    "AsyncIOMotorClientEncryption",
    "AsyncIOMotorClientSession",
    "AsyncIOMotorCollection",
    "AsyncIOMotorCommandCursor",
    "AsyncIOMotorCursor",
    "AsyncIOMotorDatabase",
    "AsyncIOMotorGridFSBucket",
    "AsyncIOMotorGridIn",
    "AsyncIOMotorGridOut",
    "AsyncIOMotorGridOutCursor",
]
