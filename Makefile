# Needs Python 3.11 or later, make and git. The first target that runs sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Packages that the tests drive and that cannot live beside our own; xetrack needs NumPy 1.
XETRACK := $(VENV)/peers/xetrack
PEER_NAMES := $(filter-out xetrack xetrack-seed,$(patsubst tests/peers/%.txt,%,$(wildcard tests/peers/*.txt)))
PEERS := $(XETRACK)/.installed $(PEER_NAMES:%=$(VENV)/peers/%/.installed)

# Pins what builds the package too: pip before 25.3 reads the first for it, later ones the second.
# Not exported: the peers that `bench` installs apart have versions of their own.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-conformance test-clients test-e2e test-moving test-within test-long peers check bench format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## train real models, log them, and ask the store about them
	$(BIN)/python examples/04_main_job/main.py

# Five parts of the tests, side by side: each waits for processes and disks as often as it computes.
test: $(STAMP) $(PEERS) ## run the tests, in five parts side by side
	$(MAKE) --no-print-directory -j5 --output-sync=target \
	  test-conformance test-clients test-e2e test-moving test-within

test-conformance: # back ends, targets
	$(BIN)/python -m pytest --durations=15 tests/conformance \
	  --ignore=tests/conformance/auger --ignore=tests/conformance/neptune3

test-clients: # real clients of the hub
	$(BIN)/python -m pytest --durations=15 tests/conformance/auger tests/conformance/neptune3

test-e2e: # processes, faults
	$(BIN)/python -m pytest --durations=15 tests/e2e \
	  --ignore=tests/e2e/exchange --ignore=tests/e2e/targets

test-moving: # runs that come from elsewhere and go there
	$(BIN)/python -m pytest --durations=15 tests/e2e/exchange tests/e2e/targets

test-within: # everything else, and the examples of the docstrings
	$(BIN)/python -m pytest --durations=15 \
	  --ignore=tests/conformance --ignore=tests/e2e

test-long: $(STAMP) $(PEERS) ## run the tests with many more generated examples
	MOORING_TEST_PROFILE=long $(BIN)/python -m pytest

peers: $(PEERS) ## install the packages that the tests drive, each in an environment of its own

check: $(STAMP) ## check format, lint, types and the import rule, then run the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

bench: $(STAMP) ## measure side by side with the peers (installs them apart)
	$(BIN)/python -m benchmarks

format: $(STAMP) ## format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment, the caches and what was built
	rm -rf $(VENV) __pycache__ dist demo-out benchmarks/.venvs benchmarks/.work benchmarks/results.json
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Mooring needs Python 3.11 or later, and '$(PYTHON)' is not one."; \
	  echo "Name one that is: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	$(PINNED) $(BIN)/python -m pip --disable-pip-version-check install --quiet \
	  -c constraints.txt -e '.[demo,dev,polars]'
	@touch $@

# The tests that need it say so when it is not there, and fail where CI=true.
$(XETRACK)/.installed: tests/peers/xetrack.txt tests/peers/xetrack-seed.txt | $(STAMP)
	@rm -rf $(XETRACK)
	@{ $(PYTHON) -m venv $(XETRACK) && \
	  $(XETRACK)/bin/python -m pip --disable-pip-version-check install --quiet \
	    -r tests/peers/xetrack.txt && \
	  $(XETRACK)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps \
	    --target $(XETRACK)/seed -r tests/peers/xetrack-seed.txt && touch $@; } || \
	  echo "xetrack could not be installed: the tests that drive it will be skipped." >&2

# These files name every package, with its version.
$(VENV)/peers/%/.installed: tests/peers/%.txt | $(STAMP)
	@rm -rf $(@D)
	@{ $(PYTHON) -m venv $(@D) && \
	  $(@D)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r $< && \
	  touch $@; } || \
	  echo "$* could not be installed: the tests that drive it will be skipped." >&2
