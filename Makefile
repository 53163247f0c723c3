# `make` without a target lists the targets. Every target installs uv and the locked environment first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/modelservice
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements-uv.txt)
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
RUN := $(UV) run --frozen --no-sync
CRD := crds/modelservices.modelservice.dev.yaml
REFERENCE := docs/reference.md
POLICY := manifests/components/policies/references.yaml
RUNBOOK := docs/runbook.md
# The tests wait most of the time: one worker has the node, the others a control plane each. The supervisor fails if
# the run leaves anything behind (tests/environment/suite).
WORKERS := --numprocesses 3 --dist loadscope
PYTEST := $(RUN) python -m tests.environment.suite
# Options of the benchmarks, such as make bench ARGS=--quick.
ARGS :=
# Names of the images of make release: IMAGE_PREFIX/operator:TAG. Without TAG, the version in pyproject.toml.
IMAGE_PREFIX := modelservice.dev
TAG :=
# Time of each fuzzer of make fuzz, in seconds.
SECONDS_EACH := 60
export UV_PYTHON_DOWNLOADS := never
export PYTHONPATH := .
# The tests start hundreds of Python processes: without bytecode files each of them would compile its modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup fmt lint types test test-unprivileged test-sweeps test-versions test-traffic test-images test-recovery test-monitoring test-release install-yaml fuzz unit golden generate verify images bench bench-scale bench-loader demo demo-down clean release test-kind

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(UV) ## install uv and the locked environment
	@$(UV) sync --frozen --quiet

$(UV): requirements-uv.txt
	@mkdir -p $(CACHE)
	@python3 -m venv $(CACHE)/uv-$(UV_VERSION) >/dev/null 2>&1 || { \
	  command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] || { echo "python3 -m venv does not work here: install the package python3-venv (apt-get install python3-venv) and run make again." >&2; exit 1; }; \
	  apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && python3 -m venv --clear $(CACHE)/uv-$(UV_VERSION); }
	@$(CACHE)/uv-$(UV_VERSION)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

fmt: setup ## format the code
	$(RUN) ruff format
	$(RUN) ruff check --fix --quiet || true

lint: setup ## ruff, the layer contracts, spelling, and phrases that are hard to read
	$(RUN) ruff format --check --quiet
	$(RUN) ruff check --quiet
	$(RUN) lint-imports
	$(RUN) codespell
	$(RUN) python -m tests.environment.prose

types: setup ## mypy, strict
	$(RUN) mypy

generate: setup ## write the generated files: the CRD, the reference, a policy, the runbook, parts of the chart
	@{ echo "# Generated from operator/modelservice_operator/api/v1alpha1/spec.py by make generate; do not edit."; \
	   $(RUN) python -m modelservice_operator crd; } > $(CRD)
	@$(RUN) python -m modelservice_operator reference > $(REFERENCE)
	@$(RUN) python -m modelservice_operator policy > $(POLICY)
	@$(RUN) python -m tests.environment.runbook > $(RUNBOOK)
	@$(RUN) python -m tests.environment.packaging generate
	@$(RUN) python -m tests.environment.command_pages
	@$(RUN) python -m tests.environment.sdk_types
	@cp manifests/components/policies/warnings.yaml operator/modelservice_cli/offline/warnings.yaml

verify: setup ## fail when a generated file is stale
	@diff -u $(CRD) <(echo "# Generated from operator/modelservice_operator/api/v1alpha1/spec.py by make generate; do not edit."; \
	   $(RUN) python -m modelservice_operator crd) || { echo "The CRD is stale: run make generate and commit the result." >&2; exit 1; }
	@diff -u $(REFERENCE) <($(RUN) python -m modelservice_operator reference) || { \
	   echo "The reference is stale: run make generate and commit the result." >&2; exit 1; }
	@diff -u $(POLICY) <($(RUN) python -m modelservice_operator policy) || { \
	   echo "The policy is stale: run make generate and commit the result." >&2; exit 1; }
	@diff -u $(RUNBOOK) <($(RUN) python -m tests.environment.runbook) || { \
	   echo "The runbook is stale: run make generate and commit the result." >&2; exit 1; }
	@$(RUN) python -m tests.environment.packaging verify
	@$(RUN) python -m tests.environment.command_pages --check
	@$(RUN) python -m tests.environment.sdk_types --check
	@cmp manifests/components/policies/warnings.yaml operator/modelservice_cli/offline/warnings.yaml || { \
	   echo "The warnings of the command line are stale: run make generate and commit the result." >&2; exit 1; }
	@$(UV) lock --check --quiet || { echo "uv.lock is stale: run uv lock and commit the result." >&2; exit 1; }

golden: setup ## rewrite the golden files and template hashes; read the diff
	GOLDEN=write $(RUN) pytest -q tests/unit/resources/test_golden.py tests/unit/resources/test_template_hashes.py

unit: setup ## run the tests that need no cluster
	@$(RUN) python -m tests.environment.validation
	@$(RUN) python -m tests.environment.packaging prepare
	$(RUN) pytest tests/unit

test: lint types verify ## everything: lint, types, generated files, unit, integration and end-to-end tests
	@$(RUN) python -m tests.environment.cluster build --tier node
	@$(RUN) python -m tests.environment.cluster build --tier control-plane
	@$(RUN) python -m tests.environment.gitops
	@$(RUN) python -m tests.environment.validation
	@$(RUN) python -m tests.environment.packaging prepare
	@$(RUN) python -m tests.environment.images build
	@$(RUN) python -m tests.environment.stores
	@$(RUN) python -m tests.environment.traffic
	@$(RUN) python -m bench prepare
	$(PYTEST) $(WORKERS)

test-unprivileged: lint types verify ## all but the node tier: needs neither root nor Docker
	@$(RUN) python -m tests.environment.cluster build --tier control-plane
	@$(RUN) python -m tests.environment.gitops
	@$(RUN) python -m tests.environment.validation
	@$(RUN) python -m tests.environment.packaging prepare
	@$(RUN) python -m tests.environment.stores
	@$(RUN) python -m bench prepare
	$(PYTEST) $(WORKERS) -m "not node"

fuzz: setup ## fuzz what the loader reads from others, SECONDS_EACH (60) for each kind; a found input joins the corpus
	$(RUN) python -m tests.fuzz --seconds $(SECONDS_EACH)

test-sweeps: setup ## generated sweeps on real control planes: every crash point, every value of every field
	@$(RUN) python -m tests.environment.cluster build --tier control-plane
	$(PYTEST) --numprocesses 2 --dist loadscope tests/sweeps

test-versions: setup ## the core tests on real control planes of the older supported Kubernetes versions, or of MINORS
	@$(RUN) python -m tests.environment.versions $(MINORS)

test-traffic: setup ## count lost requests while pods are replaced (a node, 6 minutes); writes docs/traffic.md
	@$(RUN) python -m tests.environment.cluster build --tier node
	@$(RUN) python -m tests.environment.images build operator diabetes
	@$(RUN) python -m tests.environment.traffic
	$(PYTEST) tests/traffic

test-images: setup ## run images with 14 habits on real pods (a node, 2 minutes); writes docs/images.md
	@$(RUN) python -m tests.environment.cluster build --tier node
	@$(RUN) python -m tests.environment.images build operator habits
	$(PYTEST) tests/images

test-recovery: setup ## restore etcd from a backup while the operator runs (2 minutes, on a machine without other work)
	@$(RUN) python -m tests.environment.cluster build --tier control-plane
	$(PYTEST) tests/recovery

test-monitoring: setup ## fire the alert that takes 15 minutes, and draw the dashboard (17 minutes); writes docs/dashboard
	@$(RUN) python -m tests.environment.cluster build --tier control-plane
	$(PYTEST) --numprocesses 2 --dist loadscope tests/monitoring

test-release: setup ## build a release, install, upgrade and remove it for real, with Helm and kustomize (a node)
	@$(RUN) python -m tests.environment.cluster build --tier node
	@$(RUN) python -m tests.environment.cluster build --tier control-plane
	@$(RUN) python -m tests.environment.gitops
	@$(RUN) python -m tests.environment.packaging prepare
	@$(RUN) python -m tests.environment.images build operator loader diabetes
	$(PYTEST) --numprocesses 2 --dist loadscope tests/release

install-yaml: setup ## write dist/install.yaml, which installs everything; IMAGE_PREFIX and TAG name other images
	@mkdir -p dist
	@$(RUN) python -m tests.environment.packaging install-yaml $(if $(IMAGE_PREFIX),--image-prefix $(IMAGE_PREFIX)) $(if $(TAG),--tag $(TAG)) > dist/install.yaml

release: setup ## build dist/ from the commit: images, wheel, install.yaml, SBOMs, named by IMAGE_PREFIX and TAG
	$(RUN) python -m release --image-prefix $(IMAGE_PREFIX) $(if $(TAG),--tag $(TAG))

test-kind: setup ## a private Docker engine, and two nodes of kind in it (root on Linux; 7 minutes, 15 when nothing is cached)
	@$(RUN) python -m tests.environment.images build
	$(PYTEST) tests/kind

images: setup ## build the container images as OCI archives, without a registry or a Docker daemon
	$(RUN) python -m tests.environment.images build

bench: setup ## compare this operator with others on the control-plane tier; writes bench/RESULTS.md
	@$(RUN) python -m bench run $(ARGS)

bench-scale: setup ## create 10,000 objects, restart cold
	@$(RUN) python -m bench scale $(ARGS)

bench-loader: setup ## compare the loader with s5cmd, boto3 and fsspec; writes bench/LOADER.md
	@$(RUN) python -m bench loader $(ARGS)

demo: setup ## a predicting model on a new real cluster
	@$(RUN) python -m tests.environment.demo up

demo-down: setup ## remove the cluster of make demo
	@$(RUN) python -m tests.environment.demo down

clean: ## remove the environment and the tools' caches in the work tree
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
