# One command each: `make help` lists them. Needs GNU make and bash.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.ONESHELL:

PYTHON ?= python3
TORCH_VERSION := 2.13.0
# Where the default index gives a CUDA build of several GB, name an index of CPU builds here.
TORCH_INDEX_URL ?=

venv := .venv
bin := $(venv)/bin
stamp := $(venv)/.stamp
docs_stamp := $(venv)/.stamp-docs
folder := .demo
# Data, logs and pid files of `make services`.
SERVICES ?= .services

# Options of the demo; what is not set is left to the program.
PRESSURES ?=
FRAMES ?=
SEED ?=
# Part of the benchmarks.
SUITE ?=
# Test files run side by side; each process has an AiiDA of its own.
WORKERS ?= 3
options := $(if $(PRESSURES),--pressures='$(PRESSURES)') $(if $(FRAMES),--frames='$(FRAMES)') \
    $(if $(SEED),--seed='$(SEED)')

# The daemon and its jobs look for verdi and insbench-job on PATH.
with_env := PATH="$(CURDIR)/$(bin):$$PATH"

# pip warns of every local wheel folder that is not there; nothing else is hidden.
pip_install := $(bin)/python -m pip install --quiet --disable-pip-version-check
quiet := 2> >(grep -v 'Location .* is ignored' >&2 || true)

ifeq ($(shell id -u),0)
# Open MPI refuses to run as root without these.
export OMPI_ALLOW_RUN_AS_ROOT := 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM := 1
endif

.PHONY: help env system demo demo-status demo-clean lint test test-full bench docs dist clean
.PHONY: services services-stop test-production

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'Options of the demo: PRESSURES=0,1,2 (GPa)  FRAMES=24,18 (first round, later ones)  SEED=1'
	@echo 'Option of the benchmarks: SUITE=demo, potentials, ins, phonons, validate, queries, report, vision, campaign or production'
	@echo 'Option of the tests: WORKERS=3'
	@echo 'Option of the services: SERVICES=.services (their folder)'
	@echo 'Options of the installation: PYTHON=python3.11  TORCH_INDEX_URL=<index of CPU builds>'

env: $(stamp) ## make .venv and install the package in it

# A virtual environment that is there is kept and only brought up to date.
$(stamp): pyproject.toml
	@if ! $(bin)/python -m pip --version > /dev/null 2>&1; then
		$(check_python)
		echo 'Making $(venv)'
		$(PYTHON) -m venv $(venv)
	fi
	echo 'Installing torch $(TORCH_VERSION)'
	$(pip_install) $(if $(TORCH_INDEX_URL),--index-url '$(TORCH_INDEX_URL)') \
		'torch==$(TORCH_VERSION)' $(quiet)
	echo 'Installing aiida-insbench and its tools for tests'
	$(pip_install) 'torch==$(TORCH_VERSION)' --editable '.[test,lint]' $(quiet)
	touch $@

$(docs_stamp): pyproject.toml | $(stamp)
	@echo 'Installing the tools for the documentation'
	$(pip_install) --editable '.[docs]' $(quiet)
	touch $@

define check_python
$(apt_install)
if ! $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
	echo 'Python 3.11, 3.12 or 3.13 is needed. Name it: make PYTHON=python3.11' >&2
	exit 1
fi
if ! $(PYTHON) -c 'import ensurepip, venv' 2> /dev/null; then
	apt_install 'the module venv of Python' python3-venv
fi
endef

# apt_install WHAT PACKAGE...: install with apt, or say what to run.
define apt_install
apt_install() {
	local what=$$1 become=''
	shift
	if ! command -v apt-get > /dev/null; then
		echo "Missing: $$what. There is no apt-get here: install it by your own means." >&2
		return 1
	fi
	if [ "$$(id -u)" -ne 0 ]; then become='sudo'; fi
	if [ -n "$$become" ] && ! sudo -n true 2> /dev/null; then
		echo "Missing: $$what. Run this as root, then the same make again:" >&2
		echo "    apt-get update && apt-get install --yes --no-install-recommends $$*" >&2
		return 1
	fi
	# apt gives its lists the server's dates; the folder's own date says when they were fetched
	if [ -z "$$(find /var/lib/apt/lists -maxdepth 0 -mtime -1 2> /dev/null)" ] \
		|| [ -z "$$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' 2> /dev/null)" ]; then
		echo 'Updating the lists of apt'
		$$become apt-get update -qq || echo 'apt-get update failed; trying with the old lists' >&2
	fi
	echo "Installing $$*"
	if ! $$become env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes \
		--no-install-recommends "$$@" > /dev/null; then
		echo "apt-get could not install $$*; see above. Missing: $$what." >&2
		return 1
	fi
}
endef

system: ## install pw.x, mpirun and OpenBLAS with apt where they are missing
	@$(apt_install)
	packages=()
	missing=()
	if ! command -v pw.x > /dev/null; then
		packages+=(quantum-espresso quantum-espresso-data)
		missing+=('pw.x (Quantum ESPRESSO 6.7 or later)')
	fi
	if ! command -v mpirun > /dev/null; then
		packages+=(openmpi-bin)
		missing+=('mpirun (Open MPI)')
	fi
	# Debian's pw.x takes half the time with OpenBLAS; one from elsewhere has a BLAS of its own.
	if command -v dpkg > /dev/null && ! dpkg -s libopenblas0-serial > /dev/null 2>&1; then
		if ! command -v pw.x > /dev/null || dpkg -S "$$(command -v pw.x)" > /dev/null 2>&1; then
			packages+=(libopenblas0-serial)
			missing+=('OpenBLAS')
		fi
	fi
	if [ "$${#packages[@]}" -gt 0 ]; then
		apt_install "$$(printf '%s, ' "$${missing[@]}" | sed 's/, $$//')" "$${packages[@]}"
	fi

demo: env system ## run the demo campaign, or go on with it, or print its result
	@$(with_env) aiida-insbench demo run --folder $(folder) $(options)

demo-status: env ## say how far the demo is and whether its daemon works
	@$(with_env) aiida-insbench demo status --folder $(folder)

demo-clean: ## stop the demo's daemon and remove its folder
	@if [ -x $(bin)/aiida-insbench ]; then
		$(with_env) aiida-insbench demo clean --folder $(folder)
	else
		echo 'Nothing is installed: remove $(folder) by hand if it is there.'
	fi

lint: env ## ruff, mypy, import contracts
	@$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

test: env system lint ## lint, then all tests but those that take minutes
	@$(with_env) OMP_NUM_THREADS=1 python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not full'

test-full: env system lint ## lint, then all tests
	@$(with_env) OMP_NUM_THREADS=1 python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: env system ## run the benchmarks and write benchmarks.json
	@$(with_env) python tests/benchmarks/run.py $(if $(SUITE),--suite $(SUITE))

# What Debian would start by itself at the installation stays off: no port of the defaults is taken.
services: ## start PostgreSQL, RabbitMQ and a one-node Slurm on loopback (as root)
	@$(apt_install)
	if [ "$$(id -u)" -ne 0 ]; then
		echo 'The servers run as users of their own: make services needs root.' >&2
		exit 1
	fi
	missing=()
	for package in locales postgresql rabbitmq-server munge slurmctld slurmd slurm-client; do
		if ! dpkg -s "$$package" > /dev/null 2>&1; then missing+=("$$package"); fi
	done
	if [ "$${#missing[@]}" -gt 0 ]; then
		policy=/usr/sbin/policy-rc.d
		if [ ! -e "$$policy" ]; then
			trap 'rm -f "$$policy"' EXIT
			printf '#!/bin/sh\nexit 101\n' > "$$policy"
			chmod 755 "$$policy"
		fi
		apt_install 'PostgreSQL, RabbitMQ, Slurm or locales' "$${missing[@]}"
	fi
	# AiiDA makes its databases with this locale.
	if ! locale -a | grep -qix 'en_US.utf-\?8'; then
		echo 'Making the locale en_US.UTF-8'
		sed -i 's/^# *\(en_US.UTF-8 UTF-8\)/\1/' /etc/locale.gen
		grep -q '^en_US.UTF-8 UTF-8' /etc/locale.gen || echo 'en_US.UTF-8 UTF-8' >> /etc/locale.gen
		locale-gen > /dev/null
	fi
	$(PYTHON) tests/production/services.py start --folder '$(SERVICES)'

# The servers stay up afterwards, as after `make services`.
test-production: env system services ## tests against these servers, minutes each
	@$(with_env) OMP_NUM_THREADS=1 INSBENCH_SERVICES='$(SERVICES)' python -m pytest tests/production

services-stop: ## end what make services started
	@$(PYTHON) tests/production/services.py stop --folder '$(SERVICES)'

docs: $(docs_stamp) ## build the documentation in docs/_build/html
	@$(bin)/python -m sphinx -q -W -b html docs docs/_build/html
	echo 'Open docs/_build/html/index.html'

dist: ## build wheel and source archive in dist/, and check them
	@$(check_python)
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --quiet --disable-pip-version-check build twine $(quiet)
	rm -rf dist
	build/tools/bin/python -m build --outdir dist . > build/dist.log 2>&1
	build/tools/bin/python -m twine check --strict dist/*

clean: ## remove build outputs and caches; the demo and .venv stay
	@rm -rf build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf .import_linter_cache *.egg-info
	find aiida_insbench tests docs -type d -name __pycache__ -prune -exec rm -rf {} +
