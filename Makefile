# Every target works on a bare machine with Python 3.11, 3.12 or 3.13; PYTHON=... names one.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export PYTHON
VENV := .venv
VENV_TRAIN := .venv-train
DEMO_OUT ?= demo-output
PYTEST_ARGS ?=
# One more than there are cores, five at most: tests on real servers wait for them half of their time.
TEST_PROCESSES ?= $(shell cores=$$(nproc); echo $$((cores < 4 ? cores + 1 : 5)))
SERVICES_ARGS ?=

.PHONY: help demo services service-parts deploy-parts dashboards test test-train lint format docs docs-pages lock venv venv-runtime venv-train

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

demo: venv-runtime ## A simulated night of ZTF and LSST alerts through the whole pipeline
	@$(VENV)/bin/streamer demo --out $(DEMO_OUT)

services: service-parts ## Kafka, a MongoDB-protocol server and Prometheus to play with (SERVICES_ARGS=--help)
	@exec $(VENV)/bin/python -m scripts.services run $(SERVICES_ARGS)

service-parts: venv ## What the servers are made of: Java, Maven, Prometheus, and jars in the user's cache
	@scripts/system_packages.sh java=default-jre-headless mvn=maven prometheus=prometheus openssl=openssl
	@$(VENV)/bin/python -m scripts.services fetch

deploy-parts: venv ## What the tests of deploy/ are made of: checks built with Go, the image's root, jars, in the user's cache
	@$(VENV)/bin/python -m scripts.deploy_checks
	@scripts/system_packages.sh debootstrap=debootstrap
	@$(VENV)/bin/python -m scripts.image
	@$(VENV)/bin/python -m scripts.deploy_by_hand fetch

test: venv ## Everything that needs no torch
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) $(PYTEST_ARGS)

test-train: venv-train ## What needs torch, in an environment of its own
	$(VENV_TRAIN)/bin/python -m pytest -m train $(PYTEST_ARGS)

lint: venv ## ruff, mypy --strict and the import directions
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: venv ## Put the code into the house's form
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: venv ## The docs site, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

docs-pages: venv ## Write the pages that are made from the code (configuration, CLI, schemas)
	$(VENV)/bin/python -m scripts.docs_pages

dashboards: venv ## Write the Grafana dashboards of deploy/grafana from scripts/dashboards
	$(VENV)/bin/python -m scripts.dashboards

lock: venv ## Pin every dependency anew (LOCK_ARGS=--upgrade for newer versions)
	scripts/make_locks.sh $(VENV)/bin/uv $(LOCK_ARGS)

venv: ## .venv with all that development needs
	@scripts/system_packages.sh
	@scripts/make_venv.sh $(VENV) dev

venv-runtime:
	@scripts/system_packages.sh
	@scripts/make_venv.sh $(VENV) runtime

venv-train:
	@scripts/system_packages.sh
	@scripts/make_venv.sh $(VENV_TRAIN) train
