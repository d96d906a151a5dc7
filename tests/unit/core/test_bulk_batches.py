from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import DocumentTooLarge

from greenmongo._core.bulk.batches import COMMAND_ROOM, WriteLimits, check_sizes, split_batches

SMALL = WriteLimits(max_bson_size=50, max_message_size=COMMAND_ROOM + 100, max_batch_size=3)


def sizes(*lengths: int) -> list[bytes]:
    return [bytes(length) for length in lengths]


def test_everything_goes_into_one_message_if_it_fits() -> None:
    documents = sizes(10, 10)
    (batch,) = split_batches(documents, SMALL)
    assert batch is documents


def test_a_message_holds_no_more_documents_than_the_server_takes() -> None:
    assert [len(batch) for batch in split_batches(sizes(*[1] * 7), SMALL)] == [3, 3, 1]


def test_a_message_holds_no_more_bytes_than_the_server_takes() -> None:
    assert [len(batch) for batch in split_batches(sizes(60, 40, 1, 60), SMALL)] == [2, 2]


def test_a_document_too_large_for_any_message_goes_alone() -> None:
    assert [len(batch) for batch in split_batches(sizes(1, 200, 1), SMALL)] == [1, 1, 1]


def test_nothing_makes_no_message() -> None:
    assert list(split_batches([], SMALL)) == []


@given(st.lists(st.integers(0, 120)))
def test_no_document_is_lost_or_moved(lengths: list[int]) -> None:
    documents = sizes(*lengths)
    batches = list(split_batches(documents, SMALL))
    assert [d for batch in batches for d in batch] == documents
    assert all(batches)
    assert all(len(b) <= 3 and (len(b) == 1 or sum(map(len, b)) <= 100) for b in batches)


def test_the_server_judges_sizes_when_it_can_answer() -> None:
    check_sizes(sizes(60), SMALL, acknowledged=True)


def test_nobody_would_hear_of_a_document_too_large_for_the_server() -> None:
    with pytest.raises(DocumentTooLarge, match=r"\(60 bytes\).*up to 50 bytes"):
        check_sizes(sizes(1, 60), SMALL, acknowledged=False)


def test_a_document_too_large_for_any_message_is_refused() -> None:
    with pytest.raises(DocumentTooLarge):
        check_sizes(sizes(101), SMALL, acknowledged=True)
