"""Have mypy check the plain files beside this one: types flow, and mistakes are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(path for path in HERE.glob("*.py") if path != Path(__file__))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mypy_agrees_with_the_types_asserted() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", *map(str, FILES)],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    complaints = [
        line for line in result.stdout.splitlines() if line.startswith(("tests/typing", str(HERE)))
    ]
    assert complaints == []
    assert "checked" in result.stdout or "Success" in result.stdout
