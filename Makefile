# Regatta's commands. `make help` lists them.
PYTHON ?= python3
TORCH  ?=
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
# PyTorch's own index of builds without CUDA, for machines that have no GPU.
PIP_TORCH := $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)

# Every test and every service starts many processes: they keep their bytecode.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-all test-gpu check fmt migrate bench lock

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv from the lock file; TORCH=cpu leaves CUDA out, PYTHON=python3.12 chooses one

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}: give another by PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_TORCH) -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(PY) -c "from models.pack import warm_up; warm_up()"  # compiles the kernels once
	@touch $@

demo: $(STAMP) ## Submit a real job to a fresh service, watch it, fetch the best model, predict with it
	$(PY) examples/demo.py

up: $(STAMP) ## Run the service on http://127.0.0.1:8000 until Ctrl-C; data stay in .regatta
	$(PY) -m service up

# Two processes share the cores: more threads in each would wait for each other.
test test-all: export OMP_NUM_THREADS := 1

test: $(STAMP) ## Run the tests that need no browser, no GPU and little patience
	$(PY) -m pytest -n 2 --dist worksteal -m "not slow and not browser and not gpu"

test-all: test ## Run every test that needs no GPU: those of `make test`, then PostgreSQL, browser, kills, the slow ones
	$(PY) -m pytest -n 2 --dist worksteal -m "(slow or browser) and not gpu"

test-gpu: $(STAMP) ## Run the tests that need a CUDA device
	$(PY) -m pytest -m gpu

check: $(STAMP) ## Lint, formatting, types, arrows between packages
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache

fmt: $(STAMP) ## Format the code and mend what the linter can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

migrate: $(STAMP) ## Bring the database of .regatta (or REGATTA_DATABASE_URL) to the newest schema
	$(PY) -m service migrate

bench: $(STAMP) ## Run the benchmarks; results go to benchmarks/results
	$(PY) -m benchmarks

lock: $(STAMP) ## Make requirements.lock anew from pyproject.toml
	$(PY) -m pip install --quiet pip-tools
	(sed -n '/^[^#]/q;p' requirements.lock; $(PY) -m piptools compile --quiet --extra dev --extra kernels --upgrade --strip-extras --allow-unsafe --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o - pyproject.toml | sed 's/+cpu$$//') > requirements.new
	mv requirements.new requirements.lock
