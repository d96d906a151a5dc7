"""Which of two pieces of news about a server is the newer one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["compare_topology_versions"]


def compare_topology_versions(
    known: Mapping[str, Any] | None, reported: Mapping[str, Any] | None
) -> int:
    """Return -1, 0 or 1: the reported version is newer than, the same as, or older than the known.

    News without a version, or from a server process started since, counts as newer (SDAM,
    "topologyVersion Comparison").
    """
    if known is None or reported is None or known["processId"] != reported["processId"]:
        return -1
    before: int = known["counter"]
    after: int = reported["counter"]
    return (before > after) - (before < after)
