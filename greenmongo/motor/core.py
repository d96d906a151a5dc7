"""Motor's names of its classes before they belong to a framework: here those for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenmongo._bridge_door import bridge_module

if TYPE_CHECKING:
    from bridge._motor.habits import EagerTasks as AgnosticBase
    from bridge._motor.habits import MotorCursor as AgnosticBaseCursor
    from bridge.motor import AsyncIOMotorChangeStream as AgnosticChangeStream
    from bridge.motor import AsyncIOMotorClient as AgnosticClient
    from bridge.motor import AsyncIOMotorClientEncryption as AgnosticClientEncryption
    from bridge.motor import AsyncIOMotorClientSession as AgnosticClientSession
    from bridge.motor import AsyncIOMotorCollection as AgnosticCollection
    from bridge.motor import AsyncIOMotorCommandCursor as AgnosticCommandCursor
    from bridge.motor import AsyncIOMotorCommandCursor as AgnosticLatentCommandCursor
    from bridge.motor import AsyncIOMotorCursor as AgnosticCursor
    from bridge.motor import AsyncIOMotorDatabase as AgnosticDatabase
else:
    _OTHERS = {
        "AgnosticBase": "EagerTasks",
        "AgnosticBaseCursor": "MotorCursor",
        "AgnosticLatentCommandCursor": "AsyncIOMotorCommandCursor",
    }

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        ours = _OTHERS.get(name, name.replace("Agnostic", "AsyncIOMotor"))
        value = globals()[name] = getattr(bridge_module(".motor"), ours)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "AgnosticBase",
    "AgnosticBaseCursor",
    "AgnosticChangeStream",
    "AgnosticClient",
    "AgnosticClientEncryption",
    "AgnosticClientSession",
    "AgnosticCollection",
    "AgnosticCommandCursor",
    "AgnosticCursor",
    "AgnosticDatabase",
    "AgnosticLatentCommandCursor",
]
