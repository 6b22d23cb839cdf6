# Everything from a fresh clone: Python 3.11 or later with pip, and make.
# `make` alone prints the list. Repeats are fast: what is installed is
# remembered in stamp files and renewed when a lock or the metadata changes.

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= examples/quickstart.yaml
# How many processes run the tests, and anything else pytest should be told.
PYTEST_ARGS ?= -n 2

# All paths below are relative, so the directory's own path may hold spaces.
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
# Only what the lock names by its hash, and nothing that runs code to install. The
# lock is whole, so pip has nothing to resolve: asked to, it takes the newest
# `name[extra]` on the index over the lock's `name`, and fails when that is newer.
INSTALL_LOCKED = $(PIP) install --no-deps --require-hashes --only-binary :all: -r
# The warning kept quiet is of the editable mode that twistd's plugins need; the
# day setuptools drops it, `make lock` meets a failing `make test-installed`.
INSTALL_BYOK = PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation --editable .
METADATA = setup.cfg pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help run test check lint types imports test-installed test-claude \
	mutants fuzz bench bench-quick bench-peers format dist lock prices clean \
	distclean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter, CONFIG=my.yaml what 'make run' serves."


# -- use ---------------------------------------------------------------------

run: $(VENV)/.runtime ## install, then serve 127.0.0.1:4000 from CONFIG
	@exec $(BIN)/twistd --nodaemon --pidfile= byok -c "$(CONFIG)" $(ARGS)


# -- check -------------------------------------------------------------------

test: $(VENV)/.dev ## install, then run the test suite with branch coverage
	@rm -f .coverage .coverage.*
	$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST_ARGS)
	@echo "Every branch of policy and core:"
	$(BIN)/python -m coverage report --fail-under=100 \
		--include='byok/policy/*,byok/core/*'

check: lint types imports ## all that reads the code without running it

lint: $(VENV)/.dev ## style, spelling and the changelog's fragments
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	@$(BIN)/towncrier build --draft --version next >/dev/null

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/.dev ## the import contract of setup.cfg
	$(BIN)/lint-imports

test-installed: $(VENV)/.dev ## wheel and editable install, each in a fresh environment
	$(BIN)/python -m pytest tests/installed

test-claude: $(VENV)/.dev ## the real Claude Code against a scripted provider (needs npm)
	sh tests/claude/install.sh
	$(BIN)/python -m pytest tests/claude

# FILES names others than the three that everything rests on.
mutants: $(VENV)/.dev ## change the trusted core in small ways; a test has to notice
	$(BIN)/python -m tests.mutants $(FILES)

# What it finds it prints, with the seed that finds it again.
fuzz: $(VENV)/.dev ## break what peers send in small ways, for SECONDS (60)
	$(BIN)/python -m tests.wire.fuzz $(or $(SECONDS),60) $(SEED)


# -- measure -----------------------------------------------------------------

# What is not installed is left out, with the reason. haproxy and wrk are packages
# of Debian; BENCH_ARGS="--full --markdown" is what docs/performance.md is made with.
bench: $(VENV)/.dev ## byok beside haproxy and LiteLLM; wants a machine of its own
	$(BIN)/python -m benchmarks.exchange --json bench.json $(BENCH_ARGS)

bench-quick: $(VENV)/.dev ## half a minute of it, to see that it works; judges nothing
	$(BIN)/python -m benchmarks.exchange --quick

bench-peers: .venv-bench/.peers ## install LiteLLM for `make bench`, apart from byok

# The extra alone: its pins are not byok's, and the two must not meet.
.venv-bench/.peers: setup.cfg | $(VENV)/bin/python
	"$(PYTHON)" -m venv --without-pip .venv-bench
	$(BIN)/python -c 'from configparser import ConfigParser as C; c = C(); \
		c.read("setup.cfg"); print(c["options.extras_require"]["bench"])' \
		> .venv-bench/peers.in
	$(PIP) --python .venv-bench/bin/python install -r .venv-bench/peers.in
	@touch $@


# -- maintain ----------------------------------------------------------------

format: $(VENV)/.dev ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(VENV)/.dev ## wheel and sdist in dist/
	rm -rf build dist
	$(BIN)/python -m build --no-isolation

# Releases younger than the cool-down are left alone: a poisoned one is mostly
# found within days.
LOCK = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --exclude-newer '4 days' --custom-compile-command 'make lock' \
	setup.cfg requirements/build.in

lock: $(VENV)/.runtime ## renew requirements/*.txt within setup.cfg's floors
	$(BIN)/python -m venv .venv-lock
	.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install uv==0.13.9
	$(LOCK) --upgrade -o requirements/runtime.txt
	$(LOCK) --upgrade --extra test --extra dev --extra e2e \
		--extra postgresql --extra valkey --extra metrics -c \
		requirements/runtime.txt -o requirements/dev.txt

# The library is not among byok's own: it wants pydantic and an HTTP client.
prices: | $(VENV)/bin/python ## renew the shipped price list from genai-prices
	"$(PYTHON)" -m venv --without-pip .venv-prices
	$(PIP) --python .venv-prices/bin/python install --upgrade genai-prices
	.venv-prices/bin/python -m byok.prices.refresh > .venv-prices/prices.json
	cp .venv-prices/prices.json byok/prices/prices.json
	git diff --stat -- byok/prices/prices.json

clean: ## remove what building and testing leave behind
	rm -rf build dist byok.egg-info htmlcov .coverage .coverage.* coverage.xml
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf _trial_temp* twisted/plugins/dropin.cache
	find byok tests twisted -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the environments too
	rm -rf $(VENV) .venv-bench .venv-lock .venv-prices .claude-cli


# -- environments ------------------------------------------------------------

# What a user needs.
$(VENV)/.runtime: requirements/runtime.txt $(METADATA) | $(VENV)/bin/python
	$(INSTALL_LOCKED) requirements/runtime.txt
	$(INSTALL_BYOK)
	$(PIP) check
	@touch $@

# And what a developer needs beside it.
$(VENV)/.dev: requirements/dev.txt $(METADATA) | $(VENV)/bin/python
	$(INSTALL_LOCKED) requirements/dev.txt
	$(INSTALL_BYOK)
	$(PIP) check
	@touch $@ $(VENV)/.runtime

# Debian's Python has pip but not what `venv` puts into an environment, so pip
# is then asked to install itself there.
$(VENV)/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "byok needs Python 3.11 or later: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || { \
		rm -rf $(VENV) && \
		"$(PYTHON)" -m venv --without-pip $(VENV) && \
		"$(PYTHON)" -m pip --disable-pip-version-check --quiet \
			--python $(VENV)/bin/python install pip; }
