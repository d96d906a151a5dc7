"""The fields of a file's document, as properties of what writes and reads it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Protocol

from greenmongo._api.gridfs.upload import Upload

__all__ = ["ReadsFile", "WritesFile", "grid_in_field", "grid_out_field"]


class WritesFile(Protocol):
    """What writes a file."""

    _upload: Upload

    def _set_late(self, name: str, value: Any) -> None:
        """Change a field when the document has been stored."""
        ...


class ReadsFile(Protocol):
    """What reads a file."""

    def _stored(self) -> Mapping[str, Any]:
        """Return the file's document."""
        ...


def _warn(kind: str, field: str) -> None:
    warnings.warn(
        f"{kind} property '{field}' is deprecated and will be removed in PyMongo 5.0",
        DeprecationWarning,
        stacklevel=3,
    )


def grid_in_field(
    field: str,
    doc: str,
    *,
    read_only: bool = False,
    closed_only: bool = False,
    deprecated: bool = False,
) -> Any:
    """Return a property of what writes a file.

    Args:
        field: its name in the document.
        doc: the docstring.
        read_only: it cannot be set.
        closed_only: it is known when the file is closed, and cannot be set.
        deprecated: to use it warns.
    """

    def get(self: WritesFile) -> Any:
        if deprecated:
            _warn("GridIn", field)
        if closed_only and not self._upload.is_closed:
            raise AttributeError(f"can only get {field!r} on a closed file")
        return self._upload.file.get(field, 0 if field == "length" else None)

    def set_(self: WritesFile, value: Any) -> None:
        if deprecated:
            _warn("GridIn", field)
        if self._upload.is_closed:
            self._set_late(field, value)
        self._upload.file[field] = value

    return property(get, None if read_only or closed_only else set_, doc=doc)


def grid_out_field(field: str, doc: str, *, deprecated: bool = False) -> Any:
    """Return a property of what reads a file.

    Args:
        field: its name in the document.
        doc: the docstring.
        deprecated: to use it warns.
    """

    def get(self: ReadsFile) -> Any:
        if deprecated:
            _warn("GridOut", field)
        return self._stored().get(field, 0 if field == "length" else None)

    return property(get, doc=doc)
