"""The verdict on change streams finds what went wrong; see `tests.chaos.stream`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.stream.record import Record, Version, version_of
from tests.chaos.stream.verdict import disordered, judge_streams

ALL: list[Version] = [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1)]


def record_of(seen: list[Version]) -> Record:
    record = Record()
    record.attempts(*ALL, ("b", 2))
    record.is_told(*ALL)
    record.seen["watcher"] = seen
    return record


def wrongs(seen: list[Version]) -> list[str]:
    findings = judge_streams(record_of(seen), ["watcher"])
    return [each.what.removeprefix("watcher: ") for each in findings if not each.is_fine]


def test_nothing_is_found_where_all_is_well() -> None:
    assert wrongs(list(ALL)) == []


def test_what_nobody_was_told_of_may_be_seen_or_not() -> None:
    assert wrongs([*ALL, ("b", 2)]) == []


def lose_the_last(seen: list[Version]) -> None:
    seen.remove(("b", 1))


def lose_one(seen: list[Version]) -> None:
    seen.remove(("a", 1))


def see_the_last_again(seen: list[Version]) -> None:
    seen.append(("b", 1))


def see_all_again(seen: list[Version]) -> None:
    seen.extend(seen[2:])


def swap(seen: list[Version]) -> None:
    seen[2], seen[3] = seen[3], seen[2]


def invent(seen: list[Version]) -> None:
    seen.append(("c", 0))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lose_the_last, ["acknowledged, not seen"]),
        (lose_one, ["acknowledged, not seen", "out of order"]),
        (see_the_last_again, ["seen twice", "out of order"]),
        (see_all_again, ["seen twice", "out of order"]),
        (swap, ["out of order"]),
        (invent, ["nobody wrote"]),
    ],
)
def test_each_fault_is_found_by_the_names_it_has(
    spoil: Callable[[list[Version]], None], found: list[str]
) -> None:
    seen = list(ALL)

    spoil(seen)

    assert wrongs(seen) == found


def test_a_watcher_that_saw_nothing_is_found() -> None:
    assert "versions seen" in wrongs([])


def test_where_versions_do_not_follow_one_another_is_said() -> None:
    assert disordered([("a", 0), ("a", 2), ("b", 1)]) == ["a: 2 after 0", "b: 1 after -1"]


def test_a_change_tells_its_version() -> None:
    ns = {"db": "streams", "coll": "things"}
    key = {"_id": "a"}
    document = {"_id": "a", "n": 0}
    insert = {"operationType": "insert", "ns": ns, "documentKey": key, "fullDocument": document}
    changed = {"updatedFields": {"n": 3}}
    update = {"operationType": "update", "ns": ns, "documentKey": key, "updateDescription": changed}
    elsewhere = {**insert, "ns": {"db": "streams", "coll": "others"}}

    assert [version_of(each) for each in (insert, update, elsewhere)] == [("a", 0), ("a", 3), None]
