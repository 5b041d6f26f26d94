# Every verb needs only Python 3.11 or newer and make; `make help` explains them.
# PYTHON=/path/to/python chooses the interpreter when the virtual environment is made.

PYTHON ?=
IN_VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast coverage chaos bench load up down build typecheck lint format install requirements sbom clean

help: ## Explain the verbs.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install ## Play the whole main job on a running product, step by step, then stop it.
	@$(IN_VENV) -m devtools.demo

test: install ## Run what CI runs: style, types, layers, migrations, API schema, tests.
	@$(IN_VENV) -m tests.suite

test-fast: install ## For everyday work, in under 90 s: style, and tests without programs or Stripe.
	@$(IN_VENV) -m tests.suite --fast

coverage: install ## Which lines the tests run, into artifacts/. TESTS=tests/usage for a part.
	@$(IN_VENV) -m tests.suite --coverage $(TESTS)

chaos: install ## Kill and freeze everything, remove each guard; then figures. HISTORIES= KILLS= READERS=
	@$(IN_VENV) -m tests.chaos $(if $(HISTORIES),--histories $(HISTORIES)) \
		$(if $(KILLS),--kills $(KILLS)) $(if $(READERS),--readers $(READERS))

bench: install ## Measure the hot paths as ratios, with much data; needs wrk and h2load. QUICK=1 for a look.
	@$(IN_VENV) -m benchmarks $(if $(QUICK),--quick)

load: install ## Serve 120 tenants of four kinds under a mixed load. MINUTES= PROJECTS= RATE=
	@$(IN_VENV) -m benchmarks.load $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(PROJECTS),--projects $(PROJECTS)) $(if $(RATE),--rate $(RATE))

up: install ## Keep the product running with a demo project until Ctrl-C; var/ keeps its data.
	@$(IN_VENV) -m devtools.stack up

down: install ## Stop what `make up` started, from another terminal or after a crash.
	@$(IN_VENV) -m devtools.stack down

build: install ## Make what a release contains besides the code: compiled modules, static files.
	@sh deploy/build.sh $(IN_VENV)

typecheck: install ## Check the types alone; `make lint` does it too.
	@$(IN_VENV) -m tests.suite --types

lint: install ## Run the checks of `make test` without the tests.
	@$(IN_VENV) -m tests.suite --without-tests

format: install ## Rewrite the code in the project's style.
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

install: ## Make .venv from requirements/dev.txt; a second time there is nothing to do.
	@sh deploy/install.sh "$(PYTHON)"

requirements: install ## Compile requirements/*.in into pins; those that still fit stay.
	@for name in base production sandbox kafka temporal graphql grpc otel protos dev; do \
		hashes=--generate-hashes; if [ $$name = dev ]; then hashes=; fi; \
		.venv/bin/uv pip compile --quiet --universal --python-version 3.11 $$hashes \
			--no-annotate --no-header --no-emit-index-url --no-emit-find-links \
			requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	done

sbom: install ## Write sbom.json, what the production image installs (CycloneDX). EXTRAS="kafka temporal"
	@awk '/^[a-z0-9]/ { seen = lines[$$1]++ } !seen' \
		requirements/production.txt requirements/grpc.txt $(EXTRAS:%=requirements/%.txt) | \
		.venv/bin/cyclonedx-py requirements --output-reproducible --of JSON -o sbom.json -

clean: ## Stop everything; delete .venv, the caches and the data in var/.
	@if [ -x $(IN_VENV) ]; then $(IN_VENV) -m devtools.stack erase; fi
	@rm -rf var .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		staticfiles test-results artifacts .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
