# The two that everyone needs: `make run` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first interpreter that is new enough; PYTHON=... overrides.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
GENERATE := .venv-generate
MADE := build/generated

export PYTHONDONTWRITEBYTECODE ?=
ARGS ?=

.PHONY: help run test check generate check-generate lint bench load soak lock grpcurl clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv installs an environment in seconds; where it cannot work, pip can.
# $(1): the environment, $(2): the lock files.
define install
	@test -n "$(PYTHON)" || { echo "bedplate needs Python 3.11 or newer with venv, and found none on the path."; \
	  echo "Install it (on Debian and Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing into $(1), this once ..."
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@test -x $(1)/bin/uv || $(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(1)/bin/uv pip install --quiet --system-certs --python $(1)/bin/python --require-hashes $(foreach f,$(2),-r $(f)) 2>/dev/null \
	  || $(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes $(foreach f,$(2),-r $(f))
endef

# The checkout itself, so that `import bedplate` finds the three source folders.
define install_checkout
	@$(BIN)/uv pip install --quiet --offline --python $(BIN)/python --no-build-isolation --no-deps -e . 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
endef

$(VENV)/.server: requirements/bootstrap.txt requirements/server.txt pyproject.toml
	$(call install,$(VENV),requirements/server.txt)
	$(install_checkout)
	@touch $@

$(VENV)/.dev: $(VENV)/.server requirements/dev.txt
	$(call install,$(VENV),requirements/server.txt requirements/dev.txt)
	@touch $@

$(GENERATE)/.done: requirements/bootstrap.txt requirements/generate.txt
	$(call install,$(GENERATE),requirements/generate.txt)
	@touch $@

run: $(VENV)/.server ## Start the whole platform: HTTP on 127.0.0.1:8080, gRPC on 127.0.0.1:50051
	@exec $(BIN)/bedplate up $(ARGS)

test: $(VENV)/.dev ## Run the tests
	@$(BIN)/python -m pytest -n 2 -m "not soak" $(ARGS)

$(VENV)/.fuzz: $(VENV)/.dev requirements/fuzz.txt
	$(call install,$(VENV),requirements/fuzz.txt)
	@touch $@

soak: $(VENV)/.fuzz ## Run the tests that take minutes
	@$(BIN)/python -m pytest -m soak --timeout 1800 $(ARGS)

lint: $(VENV)/.dev ## Format check, linters, types, layers, contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/buf format --diff --exit-code --path protos/bedplate
	@$(BIN)/buf lint --path protos/bedplate
	@$(BIN)/bedplate check
	@! git rev-parse --quiet --verify main >/dev/null 2>&1 || $(BIN)/bedplate breaking --against git:main
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

check: lint check-generate test ## All that a change must pass; what CI runs

# Made in $(MADE) and put in place at the end: a generator that fails leaves what was there.
define write_generated
	@rm -rf $(MADE)
	@mkdir -p $(MADE)/python $(MADE)/descriptors
	@$(GENERATE)/bin/python -m grpc_tools.protoc -Iprotos -Iprotos/third_party \
	  --plugin=protoc-gen-mypy=$(GENERATE)/bin/protoc-gen-mypy \
	  --python_out=$(MADE)/python --mypy_out=quiet:$(MADE)/python \
	  $$(cd protos/third_party && find buf -name '*.proto' | LC_ALL=C sort)
	@$(GENERATE)/bin/python -m grpc_tools.protoc -Iprotos -Iprotos/third_party \
	  --plugin=protoc-gen-mypy=$(GENERATE)/bin/protoc-gen-mypy \
	  --plugin=protoc-gen-mypy_grpc=$(GENERATE)/bin/protoc-gen-mypy_grpc \
	  --python_out=$(MADE)/python --grpc_python_out=$(MADE)/python \
	  --mypy_out=quiet:$(MADE)/python --mypy_grpc_out=quiet:$(MADE)/python \
	  --descriptor_set_out=$(MADE)/descriptors/bedplate.binpb --include_imports --include_source_info \
	  $$(cd protos && find bedplate -name '*.proto' | LC_ALL=C sort)
	@cd protos && find bedplate -name '*.proto' -exec cp --parents {} ../$(MADE)/python/ \;
	@cd protos/third_party && find buf -name '*.proto' -exec cp --parents {} ../../$(MADE)/python/ \;
	@touch $(MADE)/python/bedplate/py.typed
	@PYTHONPATH=$(MADE)/python $(BIN)/python -m bedplate.generate \
	  --descriptors $(MADE)/descriptors/bedplate.binpb --out $(MADE)
	@find $(MADE) -name __pycache__ -type d -prune -exec rm -rf {} +
endef

generate: $(VENV)/.dev $(GENERATE)/.done ## Write generated/ from protos/
	$(write_generated)
	@rm -rf generated && mv $(MADE) generated

check-generate: $(VENV)/.dev $(GENERATE)/.done ## Fail when generated/ is not what protos/ says
	$(write_generated)
	@diff -r -x __pycache__ generated $(MADE) && rm -rf $(MADE) \
	  || { echo "generated/ differs from protos/: run 'make generate' and commit the result."; exit 1; }

bench: $(VENV)/.dev ## Measure what a call costs, side by side (ONLY=a,b for some rows)
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

load: $(VENV)/.dev ## Draw what a server does under more load than it can do, into docs/pictures
	@$(BIN)/python -m tests.load $(ARGS)

lock: $(VENV)/.dev ## Write requirements/*.txt anew from requirements/*.in
	@for f in bootstrap generate server dev bench fuzz wheel image; do \
	  $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --universal --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate requirements/$$f.in -o requirements/$$f.txt || exit 1; done

grpcurl: build/bin/grpcurl ## Install grpcurl into build/bin, so that the tests try README's lines with it (needs Go)

build/bin/grpcurl:
	@command -v go >/dev/null 2>&1 || { echo "grpcurl is built with Go, and no go was found on the path."; exit 1; }
	@mkdir -p build/bin && GOBIN="$$PWD/build/bin" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3

clean: ## Remove environments, caches and build output; keeps .bedplate (your data)
	@rm -rf $(VENV) $(GENERATE) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
