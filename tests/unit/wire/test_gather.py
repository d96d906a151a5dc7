"""Large messages are put together in turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.gather import gather
from greenmongo._wire.op_msg import encode_op_msg


@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 7, 65_535, 65_536, 300_000])),
        max_size=20,
    )
)
def test_the_parts_come_one_after_another(shape: list[tuple[int, int]]) -> None:
    parts = [b"h", *(bytes([value]) * size for value, size in shape)]
    whole = b"".join(parts)
    assert gather(parts, len(whole), lambda: None) == whole


def test_others_run_every_half_megabyte() -> None:
    turns: list[None] = []
    gather([b"x" * 1_000] * 10_000, 10_000_000, lambda: turns.append(None))
    assert 15 <= len(turns) <= 20


def test_a_large_message_is_the_same_as_one_that_is_joined() -> None:
    documents = [b"\x05\0\0\0\0"] * 300_000
    turns: list[None] = []
    body, sequences = b"\x05\0\0\0\0", [("documents", documents)]
    joined = encode_op_msg(7, body, sequences=sequences)

    assert joined == encode_op_msg(
        7, body, sequences=sequences, checkpoint=lambda: turns.append(None)
    )
    assert turns


def test_a_small_message_is_not_gathered() -> None:
    turns: list[None] = []
    message = encode_op_msg(
        7,
        b"\x05\0\0\0\0",
        sequences=[("documents", [b"\x05\0\0\0\0"])],
        checkpoint=lambda: turns.append(None),
    )
    assert isinstance(message, bytes)
    assert not turns
