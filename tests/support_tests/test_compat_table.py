"""The table of compatibility: what counts as worse, and how the page is written."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.compat.libraries import LIBRARIES
from tests.compat.running import outcomes
from tests.compat.table import Row, write_page

REPORT = """
<testsuites><testsuite>
  <testcase classname="a.B" name="passes" />
  <testcase classname="a.B" name="fails"><failure message="no" /></testcase>
  <testcase classname="a.B" name="breaks"><error message="no" /></testcase>
  <testcase classname="a.B" name="skips"><skipped /></testcase>
  <testcase classname="a.B" name="ends_badly" />
  <testcase classname="a.B" name="ends_badly"><error message="in a fixture's end" /></testcase>
</testsuite></testsuites>
"""


def test_a_report_says_what_became_of_each_test() -> None:
    assert outcomes(ElementTree.fromstring(REPORT)) == {
        "a.B.passes": "passed",
        "a.B.fails": "failed",
        "a.B.breaks": "failed",
        "a.B.skips": "skipped",
        "a.B.ends_badly": "failed",
    }


def test_worse_is_what_passes_there_and_not_here(tmp_path: Path) -> None:
    theirs = {"same": "passed", "worse": "passed", "gone": "passed", "both": "failed"}
    ours = {"same": "passed", "worse": "failed", "both": "failed", "skipped": "skipped"}

    row = Row.of("Name", tmp_path, theirs, ours)

    assert row.worse == ("gone", "worse")
    assert row.text == f"| Name | {tmp_path.name} | 3 | 1 | 2 |"


def test_a_row_takes_the_place_of_the_older_one_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results -->\n| A | 1 | 2 |\n| B | 1 |\n<!-- end of results -->\n")
    rows = [Row.of(title, tmp_path, {"x": "passed"}, {"x": "passed"}) for title in ("A", "C")]

    write_page(page, rows)

    a, c = (f"| {title} | {tmp_path.name} | 1 | 1 | 0 |" for title in ("A", "C"))
    assert page.read_text() == (
        f"before\n<!-- results -->\n{a}\n| B | 1 |\n{c}\n<!-- end of results -->\n"
    )


def test_every_library_has_a_line_of_its_own() -> None:
    assert len({each.title for each in LIBRARIES}) == len({each.name for each in LIBRARIES})
