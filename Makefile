# make demo   the whole pipeline on the bundled corpus
# make test   the tests          make check   format, lint, types
# make docs   the command reference  make notebooks  the notebooks with their output
# make bench  the benchmarks     make oldest  most tests on the oldest release of each dependency that is supported
# make clean  forget the environments
PYTHON ?= python3
VENV ?= .venv
OLDEST := $(VENV)-oldest
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check docs notebooks bench oldest setup clean
setup: $(READY)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "setting up $(VENV) for datagen, once: a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[view]' -c constraints.txt
	$(BIN)/python -c "open('$(INSTALLED)', 'w').close()"

$(READY): $(INSTALLED)
	@echo "adding what tests and checks need"
	$(PIP) -r constraints.txt
	$(PIP) -e '.[dev]' -c constraints.txt
	$(BIN)/python -c "open('$(READY)', 'w').close()"

demo: $(INSTALLED)
	$(BIN)/python -m datagen demo --out runs/demo
	@echo "datagen is $(BIN)/datagen; after '. $(BIN)/activate' it is found as datagen"

test: $(READY)
	$(BIN)/python -m pytest -n logical  # a worker for each core

check: $(READY)
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python docs/write_commands.py --check

docs: $(READY)
	$(BIN)/python docs/write_commands.py

notebooks: $(READY)
	$(BIN)/python notebooks/execute.py

bench: $(READY)
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/checks.py
	$(BIN)/python benchmarks/claims.py
	$(BIN)/python benchmarks/viewing.py

oldest:
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check -r constraints.txt
	sed -n '/^dependencies/,/^]/s/.*"\(.*\)>=\(.*\)".*/\1==\2.*/p' pyproject.toml | grep -v ^torch > $(OLDEST)/oldest.txt
	$(OLDEST)/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt -c $(OLDEST)/oldest.txt
	$(OLDEST)/$(notdir $(BIN))/python -m pytest tests/validator tests/engines/test_score_run.py tests/corpus tests/store \
		tests/teacher tests/endpoint tests/export tests/claims tests/test_parsing.py tests/test_config.py

clean:
	rm -rf $(VENV) $(OLDEST) runs
