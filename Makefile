# Two commands do everything: `make demo` (the whole journey, offline) and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0

.PHONY: help demo test test-slow bench lint clean
help:
	@echo "make demo       install, then train a small language model on the built-in corpus (5 minutes, no network)"
	@echo "make test       install the test extras and run the tests"
	@echo "make test-slow  the tests that take minutes: 50 kills, 1,000 mutated recipes by command line, parity grids"
	@echo "make bench      speed and memory, side by side with a plain training loop"
	@echo "make clean      remove the virtual environment and what the demo made"

# torch goes in first and by its exact version: an unpinned torch brings gigabytes of CUDA libraries to a CPU machine.
$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[evaluate,export,tune]"
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/idiolect demo

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.step_time

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) runs
