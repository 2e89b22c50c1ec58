# Everything a newcomer needs: `make demo`, `make test`.
# The virtual environment is made once and again whenever the project's needs change.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Small jobs on few cores are fastest with one thread each; training uses the cores itself.
TEST_ENV := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false MPLBACKEND=Agg
WORKERS ?= 2

.PHONY: demo test test-all lint bench clean
.DEFAULT_GOAL := test

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/sensemble demo

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS) -m "not slow"

test-all: lint
	$(TEST_ENV) $(BIN)/pytest -n $(WORKERS)

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/training_loop.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/encode_once.py

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
