"""Which servers a test is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.spec.unified.matching import is_same

__all__ = ["Facts", "unmet"]


@dataclass(frozen=True)
class Facts:
    """What can be required of a deployment."""

    version: tuple[int, ...]
    topology: str
    """"single", "replicaset" or "sharded"."""
    has_auth: bool
    parameters: Mapping[str, Any]


def unmet(requirements: Sequence[Mapping[str, Any]] | None, facts: Facts) -> str | None:
    """Return why a deployment will not do; None if it meets one of the requirements."""
    if not requirements:
        return None
    reasons = [_unmet_part(requirement, facts) for requirement in requirements]
    if None in reasons:
        return None
    return " or ".join(sorted({str(reason) for reason in reasons}))


def _unmet_part(requirement: Mapping[str, Any], facts: Facts) -> str | None:
    """Return the first part of one requirement that is not met."""
    for name, value in requirement.items():
        if name == "minServerVersion":
            is_met = facts.version >= _version(value)
        elif name == "maxServerVersion":
            is_met = facts.version <= _version(value)
        elif name == "topologies":
            is_met = facts.topology in value
            value = "/".join(sorted(value))
        elif name == "auth":
            is_met = facts.has_auth is value
        elif name == "authMechanism":
            is_met = value in facts.parameters.get("authenticationMechanisms", ())
        elif name == "serverParameters":
            have = facts.parameters
            is_met = all(key in have and is_same(want, have[key]) for key, want in value.items())
        elif name in ("csfle", "serverless"):
            # There is neither of them here.
            is_met = value in (False, "allow", "forbid")
        else:
            raise ValueError(f"unknown requirement {name}")
        if not is_met:
            return f"{name} {value}"
    return None


def _version(text: str) -> tuple[int, ...]:
    parts = [int(part) for part in text.split("-")[0].split(".")]
    return (*parts, 0, 0)[:3]
