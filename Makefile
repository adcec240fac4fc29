# make build · run · test · bench · bench-compare · stress · verify · docs · lint · install · clean
# Each line calls cargo, maturin, pip or pytest; what a machine must have is named by `tools`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

PREFIX ?= /usr/local
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# One interpreter for every build of the bindings, so that no call of cargo rebuilds what another has built.
VENV := $(CURDIR)/.venv
export VIRTUAL_ENV := $(VENV)
export PYO3_PYTHON := $(VENV)/bin/python
export PATH := $(VENV)/bin:$(PATH)
DEV_REQUIREMENTS := $(VENV)/bin/python -c 'import tomllib; \
	print(*tomllib.load(open("bindings/python/pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"])'
# Builds go where this file says, whatever the environment says.
unexport CARGO_TARGET_DIR PYTHONHOME PYTHONPATH

PARTS := lint test-rust test-instructions test-loom test-crash test-python test-bash test-examples

.PHONY: build run test bench bench-compare bless-instructions stress verify docs lint install clean tools $(PARTS)

build: tools $(VENV)/.build-tools
	cargo build --release -p swarmbus-cli -p swarmbus-ffi
	PIP_QUIET=1 maturin develop --quiet --release -m bindings/python/Cargo.toml

# `exec`: an interrupt from the terminal reaches the supervisor, and nothing stands between.
run: build
	exec target/release/swarmbus up examples/codestats/swarm.toml

test: build $(VENV)/.test-tools
	.ci/parts $(PARTS)

lint: $(VENV)/.test-tools
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	ruff check --quiet examples bindings/python
	ruff format --quiet --check examples bindings/python
	mypy --no-error-summary
	cd bindings/python && mypy --no-error-summary
	if command -v shellcheck >/dev/null; then shellcheck .ci/run .ci/parts bindings/bash/tests/*.sh; fi
	if cargo deny --version >/dev/null 2>&1; then cargo deny check; fi

# The dev profile: debug assertions and overflow checks are on, and no link-time optimisation delays each test program.
test-rust:
	cargo test --quiet --workspace --no-fail-fast

# What operations cost in instructions, beside the figures of benches/instructions.txt; `bless-instructions` writes these anew.
INSTRUCTIONS := cargo run --quiet --release -p swarmbus-benches --bin instructions --

test-instructions:
	$(INSTRUCTIONS) check

bless-instructions:
	$(INSTRUCTIONS) bless

test-loom:
	RUSTFLAGS="--cfg loom" cargo test --quiet --target-dir target/loom --release -p swarmbus-core --test loom

test-crash:
	RUSTFLAGS="--cfg crash" cargo test --quiet --target-dir target/crash --release -p swarmbus-stress --test windows --test purger

test-python: build $(VENV)/.test-tools
	cd bindings/python && pytest -q

test-bash: build
	bindings/bash/tests/run.sh

test-examples: build $(VENV)/.test-tools
	pytest -q examples

# Our operations, then our rivals beside us: a crate of its own, whose libraries and servers setup.sh installs.
bench: tools
	cargo bench -p swarmbus-benches
	benches/peers/setup.sh
	cd benches/peers && cargo build --quiet --release
	target/peers/release/swarmbus-peers $(PEERS)

# What has become slower since a revision: make bench-compare BASE=main COMPARE="--bench operations --rounds 7"
BASE ?= HEAD

bench-compare: tools
	cargo run --quiet --release -p swarmbus-benches --bin bench-compare -- $(BASE) $(COMPARE)

stress: tools
	cargo test --release -p swarmbus-stress -- --nocapture --include-ignored

# The models at preemption bound 3 instead of 2 or less, then every crash window.
verify: tools
	SWARMBUS_LOOM_BOUND=3 $(MAKE) test-loom
	$(MAKE) test-crash

docs: tools
	cargo doc --no-deps --workspace --exclude swarmbus-python
	if command -v mdbook >/dev/null; then mdbook build docs; else echo "docs/ is readable as it is; for a book: cargo install mdbook"; fi

install: build
	install -D -m 755 target/release/swarmbus $(DESTDIR)$(PREFIX)/bin/swarmbus
	install -D -m 755 target/release/libswarmbus.so $(DESTDIR)$(PREFIX)/lib/libswarmbus.so
	install -D -m 644 target/release/libswarmbus.a $(DESTDIR)$(PREFIX)/lib/libswarmbus.a
	install -D -m 644 include/swarmbus.h $(DESTDIR)$(PREFIX)/include/swarmbus.h
	@echo "for Python: pip install ./bindings/python"

clean:
	rm -rf target .venv docs/book
	find bindings examples -name '*.so' -delete

# What is missing is named in one line.
tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.88 or later (https://rustup.rs)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler (apt install gcc libc6-dev)" >&2; exit 1; }
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or later with venv is missing: install it (apt install python3 python3-venv), or name it: make PYTHON=…" >&2; exit 1; }

$(VENV)/bin/python: | tools
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build-tools: bindings/python/pyproject.toml | $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet 'maturin>=1.9,<2'
	@touch $@

$(VENV)/.test-tools: bindings/python/pyproject.toml | $(VENV)/.build-tools
	@$(VENV)/bin/python -m pip install --quiet $$($(DEV_REQUIREMENTS))
	@touch $@
