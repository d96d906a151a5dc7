"""What can go wrong with a server on this machine, with its cause and its remedy."""

from __future__ import annotations

__all__ = ["EmbeddedServerError"]


class EmbeddedServerError(RuntimeError):
    """A local MongoDB server could not be found, started or kept running.

    Attributes:
        cause: what happened, in the server's own words where it left any.
        fix: what to do about it.
        kind: one word for programs: "missing", "library", "platform", "port", "disk",
            "permission", "certificate", "option", "timeout", "state" or "unknown".
    """

    def __init__(self, cause: str, fix: str, kind: str = "unknown") -> None:
        super().__init__(f"{cause}\nTo fix this: {fix}")
        self.cause = cause
        self.fix = fix
        self.kind = kind
