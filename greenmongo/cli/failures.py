"""Errors as one line that says what to do."""

from __future__ import annotations

__all__ = ["in_one_line"]


def in_one_line(error: Exception) -> str:
    """Return what an error says, without the parts that only programs read."""
    text = str(error).partition(", full error:")[0].partition(", Timeout:")[0]
    return " ".join(text.split()) or type(error).__name__
