"""Motor's names for asyncio, under the name of Motor's module."""

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

__all__ = [
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
