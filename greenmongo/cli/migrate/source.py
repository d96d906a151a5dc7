"""Moves the source text of one file."""

from __future__ import annotations

from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper

from greenmongo.cli.migrate.imports import ImportMover
from greenmongo.cli.migrate.motor import Awaits, new_name
from greenmongo.cli.migrate.old_client import OldClients
from greenmongo.cli.migrate.paths import uses_driver
from greenmongo.cli.migrate.remarks import Remark, find_remarks, looks_legacy

__all__ = ["Moved", "move_source"]


class Moved(NamedTuple):
    """A file's new text, and what a person must look at; the lines are those of the old text."""

    text: bytes
    remarks: list[Remark]


def move_source(source: bytes, *, motor_becomes_async: bool = False) -> Moved:
    """Move one file; a file that uses none of the drivers comes back as it was.

    Args:
        source: as it stands in the file, in the encoding that it declares.
        motor_becomes_async: Motor's classes become those of PyMongo's async API, and awaits change
            where these disagree; otherwise they keep their names and habits.

    Raises:
        libcst.ParserSyntaxError: it is not Python 3.
    """
    module = cst.parse_module(source)
    if not uses_driver(module):
        return Moved(source, [])
    is_legacy = looks_legacy(module.code)
    wrapper = MetadataWrapper(module)
    remarks = find_remarks(wrapper, is_legacy=is_legacy)
    mover = ImportMover(
        is_legacy=is_legacy, rename=new_name if motor_becomes_async else lambda _: None
    )
    moved = wrapper.visit(mover)
    remarks += list(mover.remarks)
    if motor_becomes_async:
        awaits = Awaits()
        # With the old imports, whose lines the remarks speak of; then the imports once more.
        moved = MetadataWrapper(wrapper.visit(awaits)).visit(mover)
        remarks += awaits.remarks
    if mover.is_old_client_imported:
        moved = moved.visit(OldClients())
    return Moved(moved.bytes, sorted(set(remarks)))
