# What this repository can do; `make` alone lists it. Everything runs in .venv, which is made on
# first use and again whenever pyproject.toml or constraints.txt change.

PYTHON ?= python3
PRESET ?= smoke
OUT ?= runs
WORKERS ?= 2
NOTEBOOKS ?= notebooks
START := notebooks/00_start_here.ipynb
LAB_OPTIONS ?= --LabApp.default_url=/lab/tree/$(notdir $(START))

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALLED := $(VENV)/.installed

# Tests run side by side: one thread each, or they slow each other down.
ONE_THREAD := OMP_NUM_THREADS=1 ECCVKIT_THREADS=1

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lab notebooks docs lint format unit-tests notebook-tests bench readme clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: PAPERS ?= rpl
run: $(INSTALLED) ## Execute notebooks, print verdicts; PAPERS="limp topogan" or all, PRESET=lab, OUT=runs
	$(PY) -m eccvkit run $(PAPERS) --preset $(PRESET) --out $(OUT)

# Order: quick checks first, pytest last so that its counts close the output.
test: ## Lint, build the site, execute and check every notebook, run all unit tests
	$(MAKE) lint
	$(MAKE) docs
	$(MAKE) notebook-tests
	$(MAKE) unit-tests

lab: $(INSTALLED) ## Open JupyterLab on the start page; LAB_OPTIONS="--port 9000 --no-browser"
	$(PY) -m jupyterlab --ServerApp.root_dir=$(NOTEBOOKS) $(LAB_OPTIONS)

notebooks: PAPERS ?= all
notebooks: $(INSTALLED) ## Execute notebooks at lab and store the outputs; PAPERS="rpl"
	$(PY) -m eccvkit store $(PAPERS)
	$(MAKE) readme

docs: $(INSTALLED) ## Build the site into docs/_build/html; a warning is an error
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "site: docs/_build/html/index.html"

lint: $(INSTALLED) ## Check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(INSTALLED) ## Mend style where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

unit-tests: $(INSTALLED) ## Tests of the package and its docstrings
	$(ONE_THREAD) $(PY) -m pytest -n $(WORKERS) --dist loadgroup -m "not notebook" --doctest-modules tests eccvkit

notebook-tests: $(INSTALLED) ## Structure, smoke run, stored outputs of every notebook; JupyterLab
	$(PY) -m pytest -m notebook --durations=0 --durations-min=5 tests/notebooks tests/browser

bench: $(INSTALLED) ## Measure the promised figures
	$(PY) -m benchmarks

readme: $(INSTALLED) ## Renew the tables of papers in README.md and on the start page
	$(PY) tools/readme_table.py
	$(PY) -m eccvkit store $(START)

clean: ## Remove what builds and tests left behind; keeps .venv and runs
	rm -rf build dist docs/_build docs/_generated docs/chapters docs/api/eccvkit*.rst
	rm -rf .pytest_cache .ruff_cache .hypothesis .coverage
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

distclean: clean ## Remove .venv too
	rm -rf $(VENV) *.egg-info

$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	@echo "installing into $(VENV): about a minute and 2 GB"
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,docs]"
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "eccvkit needs Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) lacks its venv package; install it (Debian: python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
