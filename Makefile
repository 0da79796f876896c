# Two commands: `make quickstart` (set-up and the study), `make test` (set-up and every check).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup quickstart test check format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "reachgym needs Python 3.11 or newer; call make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# Its client is tested with; what only its server's page needs would hold other packages back.
	$(BIN)/pip install --quiet --no-deps --constraint constraints.txt openenv-core
	@touch $(READY)

quickstart: setup
	$(BIN)/reachgym study configs/quickstart.yaml --out runs/quickstart

test: setup check
	$(BIN)/pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist
