# `make` alone says what there is.

# An absolute path either way, since tests and scripts run in folders of their own.
export CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
export CAIRN_DIST := $(abspath $(or $(CAIRN_DIST),dist))
export CAIRN_BIN := $(CARGO_TARGET_DIR)/release/cairn
# rustup's own folder, for shells that have not read its profile yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help setup build dist examples demo test lint check soak chaos bench schemas docs clean-dist

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Java, Maven, kcat, a C compiler
	@scripts/setup

build: setup ## The cairn binary, as it is shipped
	cargo build --locked --release -p cairn

dist: setup ## The distributions of the services, below dist/ (or CAIRN_DIST)
	@scripts/dist

demo: build dist ## A logging pipeline of real services from one file; ONCE=1 removes them again and checks that nothing is left
	@scripts/demo

test: build dist examples ## Every test, the real services included
	@scripts/test

examples: setup ## What the services in examples/ need: packages, distributions, a Python environment
	@scripts/setup examples
	@scripts/dist --examples
	@examples/spark/setup

lint: setup ## Format, clippy and the links of the crates' pages
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

check: lint ## What is fast: format, clippy, unit and simulation tests
	cargo test --locked --workspace --exclude cairn-tests --exclude cairn-simulation --quiet
	cargo test --locked --profile simulation -p cairn-simulation --features mutations --quiet
	cargo test --locked -p cairn-tests --test arrows --quiet

soak: ## Simulate crashes, lost messages and the like, seed after seed, until stopped; FROM=N begins with seed N
	cargo run --locked -q --profile simulation -p cairn-simulation --bin cairn-soak -- $(or $(FROM),0)

chaos: build dist ## Hurt real services under load for MINUTES (30), from SEED (random), with all faults or ONLY some, and write the table of faults to FILE
	cargo run --locked -q -p cairn-tests --bin cairn-chaos -- "$(MINUTES)" all.yaml "$(or $(FILE),$(CARGO_TARGET_DIR)/chaos.md)" "$(SEED)" "$(ONLY)"

bench: build dist ## Time and memory against a hand-written script
	@bench/bench

schemas: setup ## Write the JSON Schemas again
	cargo run --locked -q -p cairn -- schema --out schemas

docs: setup ## Write the generated pages of docs/ again
	cargo run --locked -q -p cairn -- docs

clean-dist: ## Forget the distributions
	rm -f "$(CAIRN_DIST)"/*.tar "$(CAIRN_DIST)"/*.tar.sha256 "$(CAIRN_DIST)"/*.stamp
