# Roost's commands. `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
# Three workers keep two cores busy, for tests also wait; PYTEST_ARGS takes anything of pytest's.
WORKERS ?= 3
# Tests start hundreds of processes, which need not compile everything anew.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help install serve test test-long lint format bench docs fixtures lock clean tools

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes --only-binary :all: -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installed
	$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@

install: $(VENV)/.installed ## set up .venv with the roost command

serve: install ## set up everything, then serve on 127.0.0.1:8787
	$(BIN)/roost serve

tools: $(VENV)/.installed-dev
	$(BIN)/python -m tests.support.tools

test: tools ## set up everything, then run every test
	$(PYTEST) -n $(WORKERS) $(PYTEST_ARGS)

test-long: tools ## the long runs too: fuzzing, soaks, kill loops
	$(PYTEST) -n $(WORKERS) -m "long or not long" --timeout 3600 $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## style, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## put the code in its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.installed-dev ## measure, beside the peers
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(VENV)/.installed-dev ## write the reference's tables anew from the code
	$(BIN)/python docs/generate.py

lock: $(VENV)/.installed-dev ## write the lock files anew from pyproject.toml
	$(BIN)/python requirements/lock.py

clean: ## remove what the other commands have made here
	rm -rf $(VENV) dist tests/fixtures/browser/node_modules tests/sync/clients/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
