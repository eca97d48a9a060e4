# `make demo` and `make test` are all the set-up there is. Both work from a fresh clone, as root or not.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: generated help demo test lint types conformance truth peers bench bench-quick fuzz soak clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         a directory there and back over TLS on loopback, verified"
	@echo "make test         the tests; ARGS='-k login' picks some, ARGS='-n 2' runs two at a time"
	@echo "make lint types   ruff and mypy --strict"
	@echo "make conformance  servers and clients judged by the RFCs, into docs/conformance.md: half an hour; ARGS=ftlite, two minutes"
	@echo "make truth        docs/truth.md: what clients say when a server fails, ours beside others, two minutes"
	@echo "make bench        measurements beside five servers, into docs/: twenty minutes; bench-quick: two, shown only"
	@echo "make fuzz         hostile bytes for parsers and sessions, an hour; TIME=60 for a minute"
	@echo "make soak         mixed clients and random kills, half an hour; TIME=60 for a minute"
	@echo "make generated    man pages, completions and tables, from the code that they describe"
	@echo "make peers        unpack the Debian servers that tests and measurements want"
	@echo "make clean        remove the virtual environment and all caches"

# Made anew when pyproject.toml changes; the package itself is installed in place.
$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), a minute the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' >$(VENV)/install.log 2>&1 \
		|| { cat $(VENV)/install.log; exit 1; }
	@touch $@

demo: $(READY)
	@$(BIN)/python scripts/demo.py

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

conformance: $(READY) peers
	$(BIN)/python -m scripts.matrix $(ARGS)

generated: $(READY)
	$(BIN)/python scripts/generate.py

truth: $(READY)
	$(BIN)/python -m conformance truth --out docs/truth.md

peers: $(READY)
	@$(BIN)/python -m tests.peers.install

# Plots and the guided search want libraries that nothing else does.
$(VENV)/.bench $(VENV)/.fuzz: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(patsubst .%,%,$(@F))]' \
		>$(VENV)/install$(@F).log 2>&1 || echo "not everything could be installed: see $(VENV)/install$(@F).log"
	@touch $@

bench: $(VENV)/.bench peers
	@$(BIN)/python -m benchmarks --write $(ARGS)

bench-quick: $(VENV)/.bench peers
	@$(BIN)/python -m benchmarks --quick $(ARGS)

fuzz: $(VENV)/.fuzz
	@$(BIN)/python -m tests.fuzz --time $(or $(TIME),3600) $(ARGS)

soak: $(READY)
	@$(BIN)/python -m tests.soak --time $(or $(TIME),1800) $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .peers
