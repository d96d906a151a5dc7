"""SASLprep (RFC 4013): one spelling for every way a password can be typed."""

from __future__ import annotations

import stringprep
import unicodedata

__all__ = ["saslprep"]

_PROHIBITED = (
    stringprep.in_table_a1,  # unassigned: a password is a stored string, not a query
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """Return `text` prepared as a stored string.

    Raises:
        ValueError: the text holds characters that RFC 4013 forbids, alone or together.
    """
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    # The RFC is written for Unicode 3.2; a newer table would give other passwords.
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for character in prepared:
        if any(is_prohibited(character) for is_prohibited in _PROHIBITED):
            raise ValueError("SASLprep: failed prohibited character check")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """Check RFC 3454 section 6: right-to-left text is so at both ends and throughout."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("SASLprep: failed bidirectional check")
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("SASLprep: failed bidirectional check")
