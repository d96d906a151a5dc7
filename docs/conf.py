"""Sphinx: Markdown pages, nit-picking on, warnings are errors (see the Makefile)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx

from greenmongo import __version__

ROOT = Path(__file__).resolve().parent.parent

project = "greenmongo"
author = "greenmongo contributors"
project_copyright = "2026, greenmongo contributors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["changes"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
autodoc_typehints = "description"
myst_heading_anchors = 3


def unreleased_changes() -> str:
    """Return what the next release will say, one level of headings deeper."""
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "Unreleased"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r"^#", "##", done.stdout, flags=re.MULTILINE)


def show_unreleased_changes(app: Sphinx, page: str, source: list[str]) -> None:
    """Add them to the changelog; `app` is an argument of Sphinx's event."""
    if page == "project/changelog":
        source[0] += "\n" + unreleased_changes()


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("source-read", show_unreleased_changes)
