# The two commands of a new user are `make demo` and `make test`; each sets everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What is compiled is kept, whatever the machine says: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test small lint types docs wheel clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@# Compiled on Linux, where no wheel of it is published; without a C++ compiler its tests say that they skip.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[curate]' || echo 'pdqhash could not be built (it needs a C++ compiler): no perceptual hashes in curate'
	@touch $@

# A sixth of the disk: no PyTorch, so no other encoder than `tiny`, no training, no maps by UMAP (docs/install.md).
small:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement small.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps open_clip_torch --editable .

demo: $(READY)
	$(BIN)/cladescope demo --out demo

# A process a core: threads of their own would only wait for each other. Halves that steal from each other split few files, whose fixtures are made twice then.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -r s

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python docs/write_command_line.py
	$(BIN)/python docs/draw_house.py

wheel: $(READY)
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) build dist demo *.egg-info
