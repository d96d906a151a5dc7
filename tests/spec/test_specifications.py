"""The MongoDB driver specifications' own tests: `make spec SPECS=DIR`.

DIR is a checkout of the specifications repository, or anything laid out like it. Without one,
the few cases of our own in `data/`, of the same format, are run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pymongo.errors import PyMongoError

from tests.spec.unified.outcomes import Mismatch

if TYPE_CHECKING:
    from tests.spec.cases import Case, UnifiedCase
    from tests.spec.conftest import RunCase, RunUnified


def test_specification(case: Case, run_case: RunCase) -> None:
    run_case(case)


@pytest.mark.live
def test_unified_specification(unified_case: UnifiedCase, run_unified: RunUnified) -> None:
    if not unified_case.must_fail:
        run_unified(unified_case)
        return
    with pytest.raises((Mismatch, PyMongoError, TypeError, ValueError, KeyError)):
        run_unified(unified_case)
