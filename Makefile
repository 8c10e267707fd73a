# `make run` starts the desk, `make test` tests it; both first install what they need into .venv.
# Written for every make since 3.81 (macOS has that one). PYTHON=python3.12 chooses the interpreter.

VENV := .venv
BIN  := $(VENV)/bin

# The first of these that is new enough and complete makes the virtual environment.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3)

# Scripts in a virtual environment carry its path, so it does not survive a move; nor does it survive its Python.
ifneq ($(shell { cat $(VENV)/.made && $(BIN)/python -c '' || echo broken; } 2>&1),$(CURDIR))
  STALE := stale
endif

.DEFAULT_GOAL := help
.PHONY: help run test check lint faults faults-short demo clean stale

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.run ## set up what is missing and start the desk
	@exec $(BIN)/python run.py

test: $(VENV)/.dev ## run every test that this machine can run
	@$(BIN)/python -m pytest -q -n 3
	@if [ -f tests/newman/run_collection.py ]; then exec $(BIN)/python tests/newman/run_collection.py; fi

check: ## what must pass before a change goes in: lint, and every test without exception
	@$(MAKE) --no-print-directory lint
	@REQUIRE_ALL=1 $(MAKE) --no-print-directory test

lint: $(VENV)/.dev ## check style and types
	@$(BIN)/ruff format --check --quiet --diff
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy

faults: $(VENV)/.dev ## kill, stop and mislead a running desk, then audit it (FAULTS=200 on each database, VENUE=both, SEED=…)
	@exec $(BIN)/python -m faults --venue $(or $(VENUE),both) $(if $(FAULTS),--faults $(FAULTS),--long) $(if $(SEED),--seed $(SEED))

faults-short: $(VENV)/.dev ## the same with each fault once; a part of the tests, with the same plan each time
	@exec $(BIN)/python -m faults --venue $(or $(VENUE),both) $(if $(SEED),--seed $(SEED))

demo: $(VENV)/.run ## show a running desk with made-up trading
	@exec $(BIN)/python local/demo.py

clean: ## remove what tests and tools left behind; your data and .venv stay
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis .coverage .coverage.* htmlcov test-results
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

writable = [ -w "$(CURDIR)$(1)" ] || { echo "This folder cannot be written to: $(CURDIR)$(1)"; exit 1; }

# One line for each thing that may be missing; every candidate is also asked from /, where no
# version manager's file in this folder redirects it.
$(VENV)/.made: $(STALE)
	@$(call writable)
	@good=; bare=; \
	for p in $(PYTHONS); do \
	  for dir in . /; do \
	    real=$$(cd $$dir && $$p -c 'import sys; sys.version_info < (3, 11) or print(sys.executable)' 2>/dev/null); \
	    [ -n "$$real" ] || continue; \
	    if "$$real" -c 'import ensurepip, venv' 2>/dev/null; then good=$$real; break 2; fi; \
	    bare=$$real; \
	  done; \
	done; \
	if [ -z "$$good" ] && [ -n "$$bare" ]; then \
	  echo "$$bare lacks venv; on Debian and Ubuntu run: sudo apt install python3-venv"; exit 1; \
	elif [ -z "$$good" ]; then \
	  echo "Python 3.11 or newer is needed (looked for: $(PYTHONS)); try: make PYTHON=/path/to/python3.12"; exit 1; \
	fi; \
	if [ -f $@ ]; then clear=--clear; else clear=; fi; \
	echo "Making $(VENV) with $$good"; \
	"$$good" -m venv $$clear $(VENV) || { echo "$(VENV) could not be made by $$good"; exit 1; }; \
	$(BIN)/python -m pip install -q --disable-pip-version-check uv 2>/dev/null \
	  || echo "uv cannot be installed here; pip does its work, only slower"; \
	printf '%s\n' "$(CURDIR)" > $@

# Without --compile-bytecode each first import would compile everything anew where Python may not write .pyc files.
install = if [ -x $(BIN)/uv ] && $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -r $(1) 2>$(VENV)/uv.log; then :; \
	  else $(BIN)/python -m pip install -q --disable-pip-version-check -r $(1) \
	    || { echo "The packages of $(1) could not be installed; is there a network?"; exit 1; }; fi

$(VENV)/.run: $(VENV)/.made requirements.txt
	@echo "Installing what the desk needs"
	@$(call writable,/$(VENV))
	@$(call install,requirements.txt)
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements-dev.txt
	@echo "Installing what the tests need"
	@$(call writable,/$(VENV))
	@$(call install,requirements-dev.txt)
	@touch $@
