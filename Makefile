# Every target makes .venv when it is missing or older than what it is made from. PYTHON=python3.12 picks an interpreter.
PYTHON ?=
SEED   ?= 6962
ROUNDS ?= 400
KILLS  ?= 8
FUZZ   ?= 3000
# Tests wait for disks, and for processes that they start, half of the time: a core more than there are is kept busy.
CORES   := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell echo $$(($(CORES) < 4 ? $(CORES) + 1 : 4)))
VENV := .venv
BIN  := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test faults bench bench-long lint lock clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with everything of requirements.lock and this project

demo: $(VENV)/.installed ## Import a story, publish its log and serve it on 127.0.0.1:8000 (ARGS="--port 8001 --fresh")
	@$(BIN)/traceability demo $(ARGS)

test: lint ## Lint, types, import contracts and every test (ARGS="tests/unit -k tile" WORKERS=1)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

faults: $(VENV)/.installed ## Inject a fault at every call and fuzz for minutes (SEED=1 ROUNDS=1000 KILLS=20 FUZZ=10000)
	FAULT_COUNT=0 FAULT_SEED=$(SEED) FAULT_ROUNDS=$(ROUNDS) FAULT_KILLS=$(KILLS) FUZZ_COUNT=$(FUZZ) \
	  $(BIN)/python -m pytest tests/faults tests/unit/test_parsers.py $(ARGS)

lint: $(VENV)/.installed ## Lint, types and import contracts only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.installed ## Run the benchmarks; each prints JSON lines (ARGS="append" runs one)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-long: $(VENV)/.installed ## Integrate 10,000,000 leaves; goes on where it was stopped (ARGS="--leaves 100000000")
	@$(BIN)/python -m tests.benchmarks.long_log $(ARGS)

lock: ## Resolve requirements.lock again (needs uv)
	uv pip compile pyproject.toml --extra embedded --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet --output-file requirements.lock

clean: ## Remove .venv and caches; data in .traceability stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamps: a change of pyproject.toml must not reinstall every dependency.
$(VENV)/.locked: requirements.lock .ci/venv
	@PYTHON="$(PYTHON)" .ci/venv $(VENV) dependencies
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@PYTHON="$(PYTHON)" .ci/venv $(VENV) project
	@touch $@
