# make demo: data, check, train, evaluate, export, predict, compare, report, in a few minutes on two cores.
# make test: lint, format, types, import contract and all tests.
# make test-clients: a server asked by tritonclient and by KServe's client, each from a virtual environment of its own.
# make bench: all benchmarks, which takes half an hour and wants a quiet machine; writes benchmarks/RESULTS.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-clients bench clean

demo: $(VENV)/.installed
	$(BIN)/peprank demo

test: $(VENV)/.installed-test
	PATH="$(abspath $(BIN)):$$PATH" scripts/check

test-clients: $(VENV)/.installed-test
	scripts/test-clients $(BIN)/python

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

$(VENV)/.installed: pyproject.toml constraints-cpu.txt
	scripts/install $(PYTHON) $(VENV) ".[report,serve]"
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints-cpu.txt
	scripts/install $(PYTHON) $(VENV) ".[test,tensorboard]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints-cpu.txt
	scripts/install $(PYTHON) $(VENV) ".[bench]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .clients demo build dist
