# Development and demonstration of tlsocket. Works as an ordinary user and touches nothing outside this folder.
#
# PYTHON chooses the interpreter (3.11 or later); each needs a folder of its own: make test PYTHON=python3.13 VENV=.venv313

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SUITE ?= short
# Test files are dealt out to this many processes; the tests of one file stay together. A process that dies ends the run:
# its replacement was seen to wait for ever for tests that had been dealt out already.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
FUZZ_SECONDS ?= 20
# What `make test` and `make lint` need. With `libraries` (and redis-server) the tests of other people's libraries run too.
EXTRAS ?= cli,test,check
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Warnings of Cython and of the C compiler are errors in this tree; a user's own build is not that strict.
export TLSOCKET_STRICT_BUILD := 1

SOURCES := $(wildcard _ext/* _ext/tlsocket/*) setup.py
BASE := $(VENV)/.base
BUILT := $(VENV)/.built
TOOLS := $(VENV)/.tools

.DEFAULT_GOAL := help
.PHONY: help prerequisites demo test bench instructions check-all fuzz lint clean
# The commit that `make instructions` compares with.
BASE_COMMIT ?= HEAD^

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/make \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

demo: $(BUILT) ## a handshake told step by step on loopback, then the speed beside ssl's
	@$(BIN)/tlsocket demo $(DEMO)

test: $(BUILT) $(TOOLS) ## the tests, with branch coverage
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart=0 --suite=$(SUITE) --cov --cov-report=term $(TESTS)

bench: $(BUILT) $(TOOLS) ## our speed and memory beside the standard library's, as ratios
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-quiet -q --timeout=600 $(TESTS)

instructions: $(BUILT) $(TOOLS) ## instructions of the record layer for a record, compared with BASE_COMMIT (wants valgrind)
	$(BIN)/python -m benchmarks.instructions --base $(BASE_COMMIT)

check-all: lint $(BUILT) $(TOOLS) ## every test, the long ones too; writes src/tlsocket/manual/results/
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart=0 --suite=all --cov --cov-report=term --write-results=src/tlsocket/manual/results/tests.md $(TESTS)

fuzz: $(BUILT) $(TOOLS) ## every fuzz target under atheris, FUZZ_SECONDS each
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[$(EXTRAS),fuzz]'
	$(BIN)/python -m tests.fuzz --all --seconds $(FUZZ_SECONDS) --jobs $(WORKERS)

lint: $(BUILT) $(TOOLS) ## ruff, mypy --strict, the import contracts
	@failed=''; \
	echo 'ruff:'; $(BIN)/ruff check . || failed="$$failed ruff"; \
	echo 'mypy:'; $(BIN)/mypy || failed="$$failed mypy"; \
	echo 'import contracts:'; $(BIN)/lint-imports --no-cache || failed="$$failed import-contracts"; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

clean: ## remove the environment and everything built
	rm -rf $(VENV) build dist src/*.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src _ext tests benchmarks -name '__pycache__' -prune -exec rm -rf {} +
	rm -f src/tlsocket/_record*.so

# The environment: the build tools first, so that the extension builds with the pinned ones.
$(BASE): constraints.txt
	@$(MAKE) --no-print-directory prerequisites
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt --upgrade setuptools Cython
	@touch $@

$(BUILT): $(BASE) $(SOURCES) pyproject.toml
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[cli]'
	@touch $@

$(TOOLS): $(BASE) pyproject.toml
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[$(EXTRAS)]'
	@touch $@ $(BUILT)

# Names what is missing, as Debian's packages, before anything fails in a way that does not say so.
prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo 'missing: python3. On Debian: apt-get install python3 python3-venv python3-dev'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo '$(PYTHON) is older than Python 3.11. Name another one: make ... PYTHON=python3.13'; exit 1; }
	@missing=''; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || missing="$$missing python3-dev"; \
	command -v gcc >/dev/null || command -v cc >/dev/null || missing="$$missing gcc"; \
	[ -z "$$missing" ] || { echo "missing:$$missing. On Debian, as root: apt-get install$$missing"; exit 1; }
