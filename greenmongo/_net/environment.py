"""Facts of this process: what the handshake tells, random bytes, new session ids."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from uuid import uuid4

from bson.binary import UUID_SUBTYPE, Binary

from greenmongo._core.client_metadata import EnvironmentFacts
from greenmongo._core.version import VERSION

__all__ = ["environment_facts", "new_nonce", "new_session_id"]


def environment_facts() -> EnvironmentFacts:
    """Return what the handshake tells of the process, as it is now."""
    interpreter = ".".join(map(str, sys.version_info))
    return EnvironmentFacts(
        driver_version=VERSION,
        platform=f"{platform.python_implementation()} {interpreter}",
        os_type=platform.system(),
        os_name=platform.system(),
        os_architecture=platform.machine(),
        os_version=platform.release(),
        environ=dict(os.environ),
        in_docker=Path("/.dockerenv").exists(),
    )


def new_nonce() -> bytes:
    """Return random bytes for one authentication."""
    return os.urandom(32)


def new_session_id() -> Binary:
    """Return the id of a new server session."""
    identity: Binary = Binary(uuid4().bytes, UUID_SUBTYPE)
    return identity
