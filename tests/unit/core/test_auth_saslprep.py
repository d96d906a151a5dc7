from __future__ import annotations

import pytest

from greenmongo._core.auth.saslprep import saslprep


@pytest.mark.parametrize(
    ("typed", "prepared"),
    [
        ("", ""),
        ("user", "user"),
        ("USER", "USER"),
        ("pass word", "pass word"),
        ("I\N{SOFT HYPHEN}X", "IX"),
        ("\N{FEMININE ORDINAL INDICATOR}", "a"),
        ("\N{ROMAN NUMERAL NINE}", "IX"),
        ("a\N{NO-BREAK SPACE}b", "a b"),
        ("\N{SOFT HYPHEN}", ""),
        (
            "\N{ARABIC LETTER ALEF}\N{ARABIC LETTER BEH}",
            "\N{ARABIC LETTER ALEF}\N{ARABIC LETTER BEH}",
        ),
    ],
)
def test_the_examples_of_the_rfc_come_out_as_it_says(typed: str, prepared: str) -> None:
    assert saslprep(typed) == prepared


@pytest.mark.parametrize(
    "typed",
    ["\x07", "a\x7fb", "\N{OBJECT REPLACEMENT CHARACTER}", "\ue000", "\U0001f600"],
    ids=["bell", "delete", "object", "private use", "unassigned in Unicode 3.2"],
)
def test_forbidden_characters_are_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="prohibited"):
        saslprep(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "\N{ARABIC LETTER ALEF}1",
        "1\N{ARABIC LETTER ALEF}",
        "\N{ARABIC LETTER ALEF}a\N{ARABIC LETTER BEH}",
    ],
    ids=["ends otherwise", "begins otherwise", "mixed"],
)
def test_mixed_directions_are_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="bidirectional"):
        saslprep(typed)
