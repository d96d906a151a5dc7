"""The MongoDB driver specifications' own tests: `make spec SPECS=DIR`.

DIR is a checkout of the specifications repository, or anything laid out like it. Without one,
the few cases of our own in `data/`, of the same format, are run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.spec.cases import Case


@pytest.mark.usefixtures("named_files")
def test_specification(case: Case) -> None:
    case.run()
