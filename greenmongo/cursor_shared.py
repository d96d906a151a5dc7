"""Kinds of cursors, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._core.constants import CursorType

__all__ = ["CursorType"]
