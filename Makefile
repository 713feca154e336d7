# Everything from a fresh clone: `make demo`, `make test`, `make check`. Each builds .venv first where it is missing or old.

.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/.made
# The newest Python this project is tested on that is on the PATH; another one: make PYTHON=/path/to/python3.12 .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
# uv from the PATH, or the one that pip brings.
UV = $$(command -v uv || echo "$(PYTHON) -m uv")
PIN = $(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help venv demo test test-long test-fast coverage check format bench pins clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## The environment in .venv, every version as in pins.txt (Linux: about 6 GB, most of it CUDA)

.PHONY: .venv
.venv: $(STAMP)

$(STAMP): pins.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none is on the PATH. Install one, or give PYTHON=..."; exit 1; }
	@command -v uv >/dev/null || $(PYTHON) -m uv --version >/dev/null 2>&1 || $(PYTHON) -m pip install --quiet uv
	$(UV) venv --quiet --clear --python "$(PYTHON)" .venv
	$(UV) pip install --python .venv -r pins.txt
	$(UV) pip install --python .venv --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Phantoms, training, evaluation, report: all in radmark-demo/ (replaces an earlier one)
	$(BIN)/radmark demo --out radmark-demo --overwrite

test: $(STAMP) ## Every test but the long ones, and which took longest
	$(BIN)/pytest -n logical --dist worksteal --durations=30 -m "not long"

test-long: $(STAMP) ## The long ones: mistakes that must turn tests red, a benchmark from end to end
	$(BIN)/pytest -n logical --dist worksteal -m long

test-fast: $(STAMP) ## The tests that take seconds
	$(BIN)/pytest -n logical --dist worksteal -m "not slow and not long"

coverage: $(STAMP) ## Which branches of the code those never take (a third longer)
	$(BIN)/pytest -n logical --dist worksteal -m "not slow and not long" --cov=radmark --cov-report=term:skip-covered

check: $(STAMP) ## Style, types, that imports point down, that nothing is dead; the page's JavaScript
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/pyright --project tests
	$(BIN)/lint-imports
	$(BIN)/python tools/dead_code.py
	tools/js/check

format: $(STAMP) ## Let ruff lay out and mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## Run every benchmark
	@set -e; for f in benchmarks/*.py; do echo "== $$f"; $(BIN)/python "$$f"; done

pins: ## Remake pins.txt; versions stay where they can. To raise them all: make pins UPGRADE=--upgrade
	$(PIN) $(UPGRADE) --output-file pins.txt pyproject.toml

clean: ## Remove what make has made, the environment too
	rm -rf .venv radmark-demo dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage tools/js/node_modules
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
