# Everything a visitor needs: `make demo`, `make test`, `make check`. All of it runs in ./.venv.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PROOFS := bench-cifar10 bench-mnist bench-fashion bench-clothing bench-characters bench-bccd \
  bench-camvid bench-families bench-wrn bench-transfer bench-throughput bench-backbones \
  bench-input bench-textbook bench-scaling bench-signals parity-all trust-kill trust-crashpoints trust-offline trust-images \
  trust-agreement bench-startup bench-arithmetic

.DEFAULT_GOAL := help
.PHONY: help setup demo test docs check clean parity bench tables $(PROOFS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test: setup ## run all tests, on every core
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile

docs: setup ## the pages, every example executed, into build/site
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(RUN) -m mkdocs build --strict

check: setup ## format, lint, types and the rules of the house
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m pytest tests/test_architecture.py

clean: ## remove what the tools left behind (not .venv, not runs)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

bench-cifar10: setup ## CIFAR-10 in twelve minutes, three seeds, beside torchvision's ResNet-18
	$(RUN) benchmarks/cifar10.py

bench-mnist: setup ## classification of MNIST
	$(RUN) benchmarks/train_from_scratch.py mnist

bench-fashion: setup ## classification of Fashion-MNIST, 10,000 training pictures
	$(RUN) benchmarks/train_from_scratch.py fashion-mnist

bench-clothing: setup ## classification of 1,100 photographs of clothes
	$(RUN) benchmarks/train_from_scratch.py clothing

bench-characters: setup ## what augmentation is worth for few handwritten characters
	$(RUN) benchmarks/characters.py

bench-bccd: setup ## detection on BCCD (blood cells)
	$(RUN) benchmarks/train_from_scratch.py bccd

bench-camvid: setup ## segmentation on CamVid (streets)
	$(RUN) benchmarks/train_from_scratch.py camvid

bench-families: setup ## one network of every family on CIFAR-10, eight minutes each
	$(RUN) benchmarks/families.py

bench-wrn: setup ## a wide residual network with dropout on CIFAR-10, 45 minutes
	$(RUN) benchmarks/train_from_scratch.py wrn

bench-transfer: setup ## few photographs from other weights in five ways
	$(RUN) benchmarks/transfer.py

bench-throughput: setup ## training steps of ResNet-18 and -50 beside torchvision in plain torch
	$(RUN) benchmarks/throughput.py

bench-backbones: setup ## a pass of every family's network beside the library's, and memory
	$(RUN) benchmarks/backbones.py

parity: setup ## small networks of every family against the libraries that have them
	$(RUN) benchmarks/parity.py

parity-all: setup ## every network against every library that has it
	$(RUN) benchmarks/parity.py --all

bench-textbook: setup ## the textbook's convolution beside loops and PyTorch; its network on MNIST
	$(RUN) benchmarks/textbook.py

bench-scaling: setup ## compound scaling of a small network on CIFAR-10, 30 minutes
	$(RUN) benchmarks/scaling.py

bench-signals: setup ## spoken digits and series of several channels, in one and two dimensions
	$(RUN) benchmarks/signals.py

bench-input: setup ## the way from JPEG to batch beside torchvision's pipeline
	$(RUN) benchmarks/input_pipeline.py

trust-kill: setup ## training killed at random, resumed, and compared bit by bit
	$(RUN) benchmarks/trust_kill.py

trust-crashpoints: setup ## each system call of a save fails or is the last (Linux, strace)
	$(RUN) benchmarks/trust_crashpoints.py

trust-offline: setup ## every verb with sockets refused (Linux, strace)
	$(RUN) benchmarks/trust_offline.py

trust-images: setup ## Pillow's own test pictures are decoded or refused by name (fetched by pip)
	$(RUN) benchmarks/trust_images.py

trust-agreement: setup ## the same picture gives the same answer on every path
	$(RUN) benchmarks/trust_agreement.py

bench-startup: setup ## seconds until the command line answers
	$(RUN) benchmarks/startup.py

bench-arithmetic: setup ## seconds until the cost of a network is known, of every name
	$(RUN) benchmarks/arithmetic.py

bench: $(PROOFS) ## all of the measurements above, one after the other

tables: setup ## write the measured numbers into the documents
	$(RUN) benchmarks/tables.py
	$(RUN) benchmarks/parity.py --page
