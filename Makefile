# Everything a visitor needs: `make demo`, `make test`, `make check`. All of it runs in ./.venv.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PROOFS := bench-cifar10 bench-bccd bench-camvid trust-kill trust-agreement bench-startup

.DEFAULT_GOAL := help
.PHONY: help setup demo test check clean bench tables $(PROOFS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install manako into it (quick when nothing changed)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "manako needs Python 3.11 or later, but $(PYTHON) is `$(PYTHON) --version 2>&1`." >&2; \
	  echo "Name another one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

demo: setup ## train, measure and explain a small recognizer, from data that is already here
	$(RUN) -m manako demo

test: setup ## run all tests
	$(RUN) -m pytest

check: setup ## format, lint, types and the rules of the house
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m pytest tests/test_architecture.py

clean: ## remove what the tools left behind (not .venv, not runs)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

bench-cifar10: setup ## accuracy and speed on CIFAR-10
	$(RUN) benchmarks/train_from_scratch.py cifar10

bench-bccd: setup ## detection on BCCD (blood cells)
	$(RUN) benchmarks/train_from_scratch.py bccd

bench-camvid: setup ## segmentation on CamVid (streets)
	$(RUN) benchmarks/train_from_scratch.py camvid

trust-kill: setup ## training killed at random, resumed, and compared bit by bit
	$(RUN) benchmarks/trust_kill.py

trust-agreement: setup ## the same picture gives the same answer on every path
	$(RUN) benchmarks/trust_agreement.py

bench-startup: setup ## seconds until the command line answers
	$(RUN) benchmarks/startup.py

bench: $(PROOFS) ## all of the measurements above, one after the other

tables: setup ## write the measured numbers into the documents
	$(RUN) benchmarks/tables.py
