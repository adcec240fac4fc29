# make build · run · test · bench · bench-bash · bench-ready · bench-compare · stress · verify · verify-long · report · docs · lint · install · clean
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

PARTS := lint test-rust test-instructions test-loom test-shuttle test-crash test-stepping test-fuzz test-model test-python test-bash test-examples
PROOFS := verify-crash verify-shuttle verify-sweeps verify-storm verify-fuzz verify-mutants verify-model
LONG_PROOFS := verify-soak verify-loom verify-all-mutants verify-faces verify-swarms verify-metrics verify-peers

.PHONY: build run test bench bench-bash bench-ready bench-compare bless-instructions stress verify verify-long report docs lint install clean tools \
	$(PARTS) $(PROOFS) $(LONG_PROOFS)

build: tools $(VENV)/.build-tools
	cargo build --release -p swarmbus-cli -p swarmbus-ffi -p swarmbus-bash
	PIP_QUIET=1 maturin develop --quiet --release -m bindings/python/Cargo.toml

# `exec`: an interrupt from the terminal reaches the supervisor, and nothing stands between.
run: build
	exec target/release/swarmbus up examples/codestats/swarm.toml

test: build $(VENV)/.test-tools
	.ci/parts $(PARTS)

lint: $(VENV)/.test-tools
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	ruff check --quiet examples bindings/python docs/prometheus benches/ready
	ruff format --quiet --check examples bindings/python docs/prometheus benches/ready
	mypy --no-error-summary
	cd bindings/python && mypy --no-error-summary
	if command -v shellcheck >/dev/null; then shellcheck .ci/run .ci/parts .ci/each ffi/install.sh docs/model/check.sh docs/prometheus/check.sh \
		bindings/bash/bench.sh bindings/bash/tests/*.sh examples/bash-bus/*.sh; fi
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
	RUSTFLAGS="--cfg loom" cargo test --quiet --config "target.'cfg(loom)'.runner = '$(CURDIR)/.ci/each'" \
		--target-dir target/loom --release -p swarmbus-core --test loom

# Shuttle draws the schedules of more threads than loom can try; it shares loom's build.
test-shuttle:
	RUSTFLAGS="--cfg loom" cargo test --quiet --target-dir target/loom --release -p swarmbus-core --features shuttle --test shuttle

test-crash:
	RUSTFLAGS="--cfg crash" cargo test --quiet --target-dir target/crash --release -p swarmbus-stress --test windows --test purger

# Victims that end at machine instructions: the code that is shipped, so a release build.
test-stepping:
	cargo test --quiet --release -p swarmbus-stress --test stepping

# The fuzzer's build counts edges in the core alone.
FUZZING := RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/stress/fuzz/rustc
FUZZ := $(FUZZING) cargo run --quiet --target-dir target/fuzzing --profile fuzz -p swarmbus-stress -- fuzz --seeds stress/fuzz/seeds.txt

test-fuzz:
	$(FUZZ) --programs 2000 --seed 1 --found target/fuzzing/test --failures 1

# Without spin nothing is checked, and the run says so.
test-model:
	if command -v spin >/dev/null; then docs/model/check.sh --short; else echo "spin is missing (apt install spin): the model of docs/model is not checked"; fi

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

# One way from bash to bash: the builtin, a process for each message, a file for each message.
bench-bash: build
	bindings/bash/bench.sh

# How long 700 agents take until they are ready, beside a bare fork, a fork server, and a start for each: make bench-ready READY="--agents 300"
bench-ready: build
	cargo build --release -p swarmbus-supervisor --examples
	$(VENV)/bin/python benches/ready $(READY)

# What has become slower since a revision: make bench-compare BASE=main COMPARE="--bench operations --rounds 7"
BASE ?= HEAD

bench-compare: tools
	cargo run --quiet --release -p swarmbus-benches --bin bench-compare -- $(BASE) $(COMPARE)

stress: tools
	cargo test --release -p swarmbus-stress -- --nocapture --include-ignored

# The proof of docs/verification.md, in under 40 minutes; verify-long is all of it, and takes hours.
verify: tools
	.ci/parts $(PROOFS)

verify-long: tools
	SWEEP=--all MINUTES=60 .ci/parts $(PROOFS) $(LONG_PROOFS)

verify-crash: test-crash

verify-shuttle:
	SWARMBUS_SHUTTLE_RUNS=50000 $(MAKE) test-shuttle

verify-sweeps:
	mkdir -p target/verify
	cargo build --release -p swarmbus-stress
	target/release/swarmbus-stress sweep kill $(or $(SWEEP),--sample 16 --states 50) -o json > target/verify/kill-sweep.json
	target/release/swarmbus-stress sweep pause $(or $(SWEEP),--sample 8 --states 20) -o json > target/verify/pause-sweep.json

verify-storm:
	cargo build --release -p swarmbus-stress
	target/release/swarmbus-stress storm

verify-fuzz:
	$(FUZZING) cargo test --quiet --target-dir target/fuzzing --profile fuzz -p swarmbus-stress --test needle -- --nocapture
	$(FUZZ) --seconds 300 --seed $$(date +%s) --found target/fuzzing/found --json $(CURDIR)/target/verify/fuzz.json
	cargo run --quiet --release -p swarmbus-stress -- flips --words 3 --processes 3 --seed $$(date +%s) --json target/verify/flips.json

# One mistake after the other in the core; some model must notice. A sample, by a seed that is printed.
verify-mutants:
	cargo run --quiet --release -p swarmbus-stress --bin swarmbus-stress -- mutants --suites models,shuttle --minutes 5 --strict

# The quick tests first; the longer ones have who is left.
verify-all-mutants:
	cargo build --quiet --release -p swarmbus-stress
	target/release/swarmbus-stress mutants --suites models,shuttle --longest 0.5
	target/release/swarmbus-stress mutants --suites models,shuttle --rest --longest 12 --strict

verify-model:
	docs/model/check.sh '' target/verify/model.json

verify-soak:
	cargo build --release -p swarmbus-stress
	target/release/swarmbus-stress soak --minutes $(or $(MINUTES),5)

# The models at preemption bound 3 instead of 2 or less. An exploration is cut off after so many orders (some 14,000 a second of one core): some would take days.
verify-loom:
	mkdir -p target/verify
	rm -f target/verify/loom.jsonl
	SWARMBUS_LOOM_BOUND=3 SWARMBUS_LOOM_RUNS=50000 SWARMBUS_LOOM_FILE=$(CURDIR)/target/verify/loom.jsonl $(MAKE) test-loom

# Ten minutes of random calls from C, ten from each of two seeds from Python, and C programs under valgrind where it is installed.
verify-faces: build $(VENV)/.test-tools
	cargo test --release -p swarmbus-ffi --test random_calls --test c_programs -- --ignored --nocapture
	cd bindings/python && SWARMBUS_RANDOM_SECONDS=1200 pytest -s tests/test_random.py -k arguments

# Take-overs, drains and deaths at full size, up to a minute each; and five minutes of 500 agents at work.
verify-swarms:
	cargo build --release -p swarmbus-supervisor --examples
	cargo test --release -p swarmbus-supervisor --test large --test health --test soak -- --ignored --nocapture --test-threads 1

# The exporter, its alerts and dashboards beside a real Prometheus: agents are killed and stopped, queues fill, and each alert must fire.
verify-metrics: build
	docs/prometheus/check.sh target/release/swarmbus $(VENV)/bin/python

# A rival in the same storm.
verify-peers:
	cd benches/peers && cargo build --quiet --release --no-default-features --bin swarmbus-peers-storm
	target/peers/release/swarmbus-peers-storm

# What the last runs found, into the page on verification.
report: tools
	cargo run --quiet --release -p swarmbus-stress --bin swarmbus-stress -- report --into docs/verification.md

docs: tools
	cargo doc --no-deps --workspace --exclude swarmbus-python
	if command -v mdbook >/dev/null; then mdbook build docs; else echo "docs/ is readable as it is; for a book: cargo install mdbook"; fi

SHARE := $(DESTDIR)$(PREFIX)/share

install: build
	install -D -m 755 target/release/swarmbus $(DESTDIR)$(PREFIX)/bin/swarmbus
	install -D -m 755 target/release/libswarmbus_bash.so $(DESTDIR)$(PREFIX)/lib/bash/swarmbus_bash.so
	mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/bin/|$(PREFIX)/bin/|' supervisor/systemd/swarmbus@.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/swarmbus@.service
	ffi/install.sh target/release/libswarmbus.a $(PREFIX) $(DESTDIR)
	mkdir -p $(SHARE)/man/man1 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	target/release/swarmbus man $(SHARE)/man/man1
	target/release/swarmbus completions bash > $(SHARE)/bash-completion/completions/swarmbus
	target/release/swarmbus completions zsh > $(SHARE)/zsh/site-functions/_swarmbus
	target/release/swarmbus completions fish > $(SHARE)/fish/vendor_completions.d/swarmbus.fish
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
