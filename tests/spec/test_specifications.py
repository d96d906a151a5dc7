"""The MongoDB driver specifications' own tests: `make spec SPECS=DIR`.

DIR is a checkout of the specifications repository, or anything laid out like it. Without one,
the few cases of our own in `data/`, of the same format, are run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.spec.cases import Case
    from tests.spec.conftest import RunCase


def test_specification(case: Case, run_case: RunCase) -> None:
    run_case(case)
