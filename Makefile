# The README's two commands are `make demo` and `make test`. Each makes its own virtual environment first:
# nothing is needed but Python 3.11-3.13, make and a package index.
#
#   make demo [DATA=claims.csv]   settle claims while a worker is killed
#   make test                     everything that CI checks
#   make soak                     what is long or random, then the other Python versions
#   make always-suspend           the suite with every run evicted at every wait (crash tests aside)
#   make bench [BENCH_ARGS="--only throughput"]   what it costs, beside the disk's limit and its peers
#   make fmt | clean
#
# PYTHON=python3.12 chooses the interpreter, PYTEST_ARGS=... is passed to pytest, PARALLEL= has the tests run one by one.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := src tests examples bench
# file by file, in the order of tests/conftest.py
PARALLEL ?= -n auto --dist loadfile --no-loadscope-reorder

# a function of a version: the interpreter that runs it, from PATH or from pyenv, or nothing
find_python = $(shell for python in python$(1) "$$(pyenv prefix $(1) 2>/dev/null)/bin/python"; do \
	"$$python" -c '' 2>/dev/null && echo "$$python" && break; done)
SOAK_PYTHONS ?= $(foreach version,3.11 3.12 3.13,$(call find_python,$(version)))

# tests start hundreds of processes, each of which would compile all modules again
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := test
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: demo test lint types arrows suspended suite soak portable always-suspend bench fmt clean

# -qq: pip's remarks about its own configuration are not ours to show; its errors are
$(READY): pyproject.toml constraints.txt
	@echo "Preparing $(VENV) with $(PYTHON): a minute, once"
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("Holdfast runs on Python 3.11 to 3.13; choose one: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
	@echo '*' > $(VENV)/.gitignore
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/python -m examples.claims.demo $(if $(DATA),--data "$(DATA)")

test: lint types arrows suspended suite

lint: $(READY)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(READY)
	$(BIN)/mypy

arrows: $(READY)
	$(BIN)/lint-imports --no-logo

# runs under eviction at every wait; the other stores, and the rest of the suite, do so in `make always-suspend`
suspended: $(READY)
	HOLDFAST_ALWAYS_SUSPEND=1 $(BIN)/python -m pytest $(PARALLEL) tests/kernel -k "not postgres and not no_memory" $(PYTEST_ARGS)

suite: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

always-suspend: $(READY)
	HOLDFAST_ALWAYS_SUSPEND=1 $(BIN)/python -m pytest --ignore=tests/crash $(PYTEST_ARGS)

# on the disk, which `make test` does without: see tests/places.py
soak: $(READY)
	TMPDIR="$${TMPDIR:-/tmp}" $(BIN)/python -m pytest -m soak --timeout=3600 --hypothesis-profile=soak $(PYTEST_ARGS)
	@set -e; own=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	for python in $(SOAK_PYTHONS); do \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		if [ "$$version" != "$$own" ]; then $(MAKE) portable VENV=.venv-$$version PYTHON="$$python"; fi; \
	done

portable: $(READY)
	$(BIN)/python -m pytest tests/unit tests/contract tests/kernel tests/golden tests/integrations $(PYTEST_ARGS)

# the peers' environment, .venv-peers, is made by the bench itself
bench: $(READY)
	@$(BIN)/python -m bench --json build/bench.json $(BENCH_ARGS)

fmt: $(READY)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean:
	rm -rf .venv .venv-3.* .venv-peers .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests examples bench -name __pycache__ -type d -prune -exec rm -rf {} +
