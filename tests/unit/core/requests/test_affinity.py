from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pymongo.read_preferences import Nearest, Primary, Secondary

from greenmongo._core.requests.affinity import Affinity, Pin

A, B = ("a", 27017), ("b", 27017)
NEAREST = Nearest()


def test_a_fresh_context_is_in_no_request_and_on_no_member() -> None:
    affinity = Affinity()
    assert not affinity.is_active
    assert affinity.member_for(NEAREST, A) is None


def test_a_request_is_over_when_as_many_ends_as_starts_have_come() -> None:
    affinity = Affinity().started().started().ended()
    assert affinity.is_active
    assert not affinity.ended().is_active


@given(st.lists(st.booleans(), max_size=30))
def test_surplus_ends_are_harmless(starts: list[bool]) -> None:
    affinity, expected = Affinity(), 0
    for is_start in starts:
        affinity = affinity.started() if is_start else affinity.ended()
        expected = expected + 1 if is_start else max(0, expected - 1)
        assert affinity.count == expected
        assert affinity.is_active == (expected > 0)


def test_reads_stay_on_the_member_that_answered_the_last_one() -> None:
    affinity = Affinity().started().after_read(B, NEAREST, A)
    assert affinity.member_for(NEAREST, A) == B
    assert affinity.member_for(Nearest(), A) == B


def test_another_preference_selects_afresh() -> None:
    affinity = Affinity().started().after_read(B, Secondary(), A)
    for preference in (Primary(), NEAREST, Secondary(tag_sets=[{"dc": "x"}]), None):
        assert affinity.member_for(preference, A) is None


def test_another_primary_selects_afresh() -> None:
    affinity = Affinity().started().after_read(B, NEAREST, A)
    assert affinity.member_for(NEAREST, B) is None
    assert affinity.member_for(NEAREST, None) is None


def test_a_read_with_another_preference_moves_the_pin() -> None:
    affinity = Affinity().started().after_read(B, NEAREST, A).after_read(B, Secondary(), A)
    assert affinity.pin == Pin(B, Secondary(), A)
    assert affinity.after_read(A, Secondary(), A).pin == Pin(A, Secondary(), A)
    assert affinity.after_read(B, Secondary(), None).pin == Pin(B, Secondary(), None)


def test_a_read_that_changes_nothing_costs_nothing() -> None:
    affinity = Affinity().started().after_read(B, NEAREST, A)
    assert affinity.after_read(B, Nearest(), A) is affinity


def test_a_nested_start_keeps_the_pin_and_the_last_end_drops_it() -> None:
    affinity = Affinity().started().after_read(B, NEAREST, A).started()
    assert affinity.ended().pin == Pin(B, NEAREST, A)
    assert affinity.ended().ended() == Affinity()
