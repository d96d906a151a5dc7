"""Sphinx: Markdown pages, nit-picking on, warnings are errors (see the Makefile)."""

from __future__ import annotations

project = "greenmongo"
author = "greenmongo contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["changes"]
html_theme = "furo"
autodoc_typehints = "description"
myst_heading_anchors = 3
