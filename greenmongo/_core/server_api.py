"""The fields of the Stable API, which every command of a client carries that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymongo.server_api import ServerApi

    from greenmongo._core.types import Document

__all__ = ["add_server_api"]


def add_server_api(body: Document, server_api: ServerApi) -> None:
    """Add the declared version to a command (Stable API, "Sending Declared API Version")."""
    body["apiVersion"] = server_api.version
    if server_api.strict is not None:
        body["apiStrict"] = server_api.strict
    if server_api.deprecation_errors is not None:
        body["apiDeprecationErrors"] = server_api.deprecation_errors
