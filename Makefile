# `make demo` and `make test` are all the set-up there is. Both work from a fresh clone, as root or not.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help demo test lint types conformance peers bench bench-quick clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         a directory there and back over TLS on loopback, verified"
	@echo "make test         the tests; ARGS='-k login' picks some"
	@echo "make lint types   ruff and mypy --strict"
	@echo "make conformance  the protocol cases against our own server"
	@echo "make bench        measurements beside vsftpd and pyftpdlib, some minutes; bench-quick: one minute"
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

conformance: $(READY)
	$(BIN)/python -m pytest tests/test_conformance.py $(ARGS)

peers: $(READY)
	@$(BIN)/python -m tests.peers.install

bench: $(READY) peers
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(READY) peers
	@$(BIN)/python -m benchmarks --quick $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .peers
