# Everything a person types is here; `make` alone says what there is.
SHELL := /bin/bash
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BIN := $(ROOT)/.venv/bin
PYTHON ?= python3
# Processes that test: half of the time goes into waiting for servers.
TESTERS ?= 3
STAMP := $(ROOT)/.venv/.installed
export PATH := $(BIN):$(PATH)
unexport PYTHONDONTWRITEBYTECODE # without bytecode every start of dvc or prefect takes seconds longer
export PREFECT_SERVER_ANALYTICS_ENABLED=false
export DO_NOT_TRACK=1
export DVC_NO_ANALYTICS=1
export BENTOML_DO_NOT_TRACK=True
export GX_ANALYTICS_ENABLED=false

# A server with 100 packages of its own that must not meet ours.
LABEL_STUDIO := label-studio==1.23.2
STUDIO := $(ROOT)/.venv-label-studio
PORT ?= 8080

.PHONY: help setup demo test lint check bench pictures stages label-studio
help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(lastword $(MAKEFILE_LIST)) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP) ## make .venv and install the locked versions

$(STAMP): $(ROOT)/requirements.lock $(ROOT)/pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(ROOT)/.venv
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS)) -r $(ROOT)/requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e $(ROOT)
	@touch $@

demo: setup ## the main job on the sandbox territory, from scenes to a served answer
	@cd $(ROOT) && $(BIN)/swath demo

test: lint check ## lint, types, import contracts, tests

lint: setup
	@cd $(ROOT) && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

check: setup
	@cd $(ROOT) && $(BIN)/python -m pytest -n $(TESTERS) --dist loadfile

bench: setup ## measure speed and memory against the stated limits
	@cd $(ROOT) && $(BIN)/python -m benchmarks

stages: setup ## write dvc.yaml and data/dvc.yaml anew from the runs and their import closures
	@cd $(ROOT) && $(BIN)/python -m components.lineage.stages --write

pictures: setup ## draw the pictures of docs/ anew
	@cd $(ROOT) && $(BIN)/python -m docs.draw

label-studio: setup $(STUDIO)/.$(LABEL_STUDIO) ## start Label Studio on loopback, its data in .swath/label-studio (PORT=8080)
	@cd $(ROOT) && $(BIN)/python -m flows.stack.label_studio $(STUDIO)/bin/label-studio $(PORT)

$(STUDIO)/.$(LABEL_STUDIO):
	@test -x $(STUDIO)/bin/python || $(PYTHON) -m venv $(STUDIO)
	@$(BIN)/uv pip install --quiet --python $(STUDIO)/bin/python $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS)) $(LABEL_STUDIO)
	@touch $@
