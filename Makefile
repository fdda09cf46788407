# make demo   train, evaluate, search and identify on real faces (a few minutes on two cores)
# make test   lint, types and tests          make test-all   the slow checks too, and make lowest
# make lowest the tests with the oldest releases that pyproject.toml allows (.venv-lowest, 6 GB)
# make bench  every benchmark, as ratios       make figures  the pictures of the documentation
# Each sets up .venv by itself; only Python >= 3.11, git and make have to be there.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

LOWEST := .venv-lowest
# Without scann, which asks for a newer NumPy than the core does.
LOWEST_TESTS := data distances evaluation metriclearn mining models search training inspection

.PHONY: demo test test-all lowest lint bench figures install clean

demo: install
	$(BIN)/likewise demo

test: lint
	$(BIN)/python -m pytest

test-all: lint lowest
	$(BIN)/python -m pytest -m "slow or not slow"

lowest: $(LOWEST)/installed
	$(LOWEST)/bin/python -m pytest $(addprefix tests/,$(LOWEST_TESTS))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

figures: install
	$(BIN)/likewise figures --out docs/images/losses
	$(BIN)/python -m docs.figures
	$(BIN)/python -m docs.figures.architecture
	$(BIN)/python -m docs.figures.file_map

bench: install
	$(BIN)/python -m benchmarks --json benchmarks.json

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "likewise needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	@LIKEWISE_CACHE=.pytest_cache/likewise $(BIN)/likewise models fetch centerface >/dev/null || \
	  echo "the tests of CenterFace will be skipped" >&2
	@touch $@

$(LOWEST)/installed: pyproject.toml Makefile $(VENV)/installed
	rm -rf $(LOWEST)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	  --editable '.[timm,onnx,map,demo,usearch,dev]' 'pytorch-metric-learning>=2.9'
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
