from __future__ import annotations

import pytest

from greenmongo._core.requests.deadlock import find_deadlocked


@pytest.mark.parametrize(
    ("waited_for", "stuck"),
    [
        ({}, ""),
        ({"a": [None]}, ""),
        ({"a": ["b"], "b": [None]}, ""),
        ({"a": ["b", "b"], "b": ["a", None]}, ""),
        ({"a": ["b"], "b": ["a"]}, "ab"),
        ({"a": ["b", "b"], "b": ["a", "a"]}, "ab"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "abc"),
        ({"a": ["b"], "b": ["c"], "c": ["a", None]}, ""),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "abc"),
        ({"a": ["b"], "b": ["a"], "c": ["a", None]}, "ab"),
    ],
)
def test_pools_are_stuck_if_every_holder_waits_for_a_stuck_one(
    waited_for: dict[str, list[str | None]], stuck: str
) -> None:
    assert find_deadlocked(waited_for) == set(stuck)
