# Every target sets up what it needs: Python 3.11+, make and git are enough to start with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE := $(BIN)/node
# uv uses the Python it is given. It fetches one only for the functions' byte code (infra/byte_code.py).
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# The tests run hundreds of Python processes: each would compile what it imports, pytest's workers all tests, every time.
unexport PYTHONDONTWRITEBYTECODE
# The CDK's command line takes a variable of this name for an option without a name, and warns of it.
unexport CDK

# Some tests wait, for Lambda or for a pause: three workers keep two cores busy.
WORKERS ?= 3
# The order is that of tests/conftest.py: ordered by numbers of tests, the files with a few long ones would come last.
PYTEST := $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
SOURCES := lambda infra local cli exporting deploy bench proof tests tools examples app.py

.DEFAULT_GOAL := help
.PHONY: help setup test test-fast coverage lint format synth bundle dist bootstrap deploy demo bench prove soak docs lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## */\t/' | sort | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.ready  ## the virtual environment, which other targets make themselves

$(VENV)/.ready: requirements/uv.txt requirements/dev.txt pyproject.toml lambda/imaging_index/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit("Imaging Index needs Python 3.11 or newer: make PYTHON=python3.13 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --offline -e .
	@touch $@

# A file of its own, since the demo runs without the CDK's command line.
node_modules/.ready: package.json package-lock.json $(VENV)/.ready
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent
	@touch $@

demo: $(VENV)/.ready  ## all of it on this machine: make demo DICOM=~/scans STAY=1
	@$(BIN)/imaging-index demo $(if $(DICOM),--dicom "$(DICOM)") $(if $(filter 1,$(STAY)),--stay)

test: $(VENV)/.ready node_modules/.ready $(VENV)/audit/.ready  ## all tests
	$(PYTEST)

test-fast: $(VENV)/.ready  ## the tests of the functions' package alone, in a minute
	$(PYTEST) -m 'not long' tests/package

coverage: $(VENV)/.ready node_modules/.ready $(VENV)/audit/.ready  ## all tests, and which lines none of them runs in its process
	@mkdir -p build
	COVERAGE_FILE=build/coverage $(PYTEST) $(patsubst %,--cov=%,imaging_index infra local cli tools) --cov-report=term-missing:skip-covered

bench: $(VENV)/.ready  ## speed and size against the usual ways, in ten minutes
	$(BIN)/python -m bench $(BENCH)

prove: $(VENV)/.ready node_modules/.ready  ## the write protocol and the search, proven for over an hour
	$(BIN)/python -m proof $(PROVE)

soak: $(VENV)/.ready  ## half an hour of all at once: make soak SOAK_SECONDS=180
	$(BIN)/python -m proof.soak $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS))

lint: $(VENV)/.ready  ## ruff, mypy, and what may import what
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.ready  ## lay out the code as lint wants it
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

synth: $(VENV)/.ready node_modules/.ready  ## the CloudFormation template, into cdk.out/
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m deploy synth $(CDK)

bundle: $(VENV)/.ready  ## the function's package, with what is in it, into build/bundle/
	@$(BIN)/python -m tools.bundle $(CDK)

dist: $(VENV)/.ready  ## wheel and sdist, into build/dist/
	$(BIN)/python -m hatchling build --directory build/dist

bootstrap: $(VENV)/.ready node_modules/.ready  ## once for an AWS account and region, before the first deploy
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m deploy bootstrap $(CDK)

deploy: $(VENV)/.ready node_modules/.ready  ## into the account of your credentials; YES=1 asks nothing
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m deploy $(if $(filter 1,$(YES)),--yes) $(CDK)

lock: $(VENV)/.ready  ## newer dependencies, within the bounds of pyproject.toml
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml -o requirements/lambda.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml --all-extras --group dev -c requirements/lambda.txt -o requirements/dev.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --python-version 3.11 \
		--group docs -o requirements/docs.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --python-version 3.11 \
		--group audit -o requirements/audit.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only --silent

docs: $(VENV)/docs/.ready build/mermaid.min.js  ## the pages as a site, every link checked, into build/site/
	$(VENV)/docs/bin/python -m tools.site

$(VENV)/docs/.ready: requirements/docs.txt $(VENV)/.ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/docs
	VIRTUAL_ENV=$(VENV)/docs $(BIN)/uv pip sync --quiet --require-hashes requirements/docs.txt
	@touch $@

$(VENV)/audit/.ready: requirements/audit.txt $(VENV)/.ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/audit
	VIRTUAL_ENV=$(VENV)/audit $(BIN)/uv pip sync --quiet --require-hashes requirements/audit.txt
	@touch $@

# One file of the npm package: tools/site.py compares it with its hash.
build/mermaid.min.js: $(VENV)/.ready
	mkdir -p build
	PATH="$(CURDIR)/$(BIN):$$PATH" npm pack --silent --pack-destination build mermaid@12.3.0
	tar -xzOf build/mermaid-12.3.0.tgz package/dist/mermaid.min.js > $@

clean:  ## everything that was made here
	rm -rf $(VENV) node_modules build cdk.out .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
