"""Dropping collections, which is no error when there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

from greenmongo._api.checked import run_checked
from greenmongo._core.commands.admin import drop_collection
from greenmongo._core.commands.arguments import require_mapping
from greenmongo._core.server_codes import NAMESPACE_NOT_FOUND

if TYPE_CHECKING:
    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["drop"]


def drop(
    executor: CommandExecutor,
    namespace: Namespace,
    session: SessionLike | None,
    comment: Any,
    encrypted_fields: Mapping[str, Any] | None,
) -> Document:
    """Drop a collection, and before it the state collections of Queryable Encryption."""
    if encrypted_fields:
        require_mapping("encrypted_fields", encrypted_fields)
        for kind in ("esc", "ecoc"):
            state = encrypted_fields.get(
                f"{kind}Collection", f"enxcol_.{namespace.collection}.{kind}"
            )
            drop_one(executor, namespace._replace(collection=state), session, comment)
    return drop_one(executor, namespace, session, comment)


def drop_one(
    executor: CommandExecutor, namespace: Namespace, session: SessionLike | None, comment: Any
) -> Document:
    """Drop one collection and return the server's answer."""
    try:
        return run_checked(executor, drop_collection(namespace, comment=comment), session).document
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise
        return dict(error.details or {})
