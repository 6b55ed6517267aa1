# `make demo` shows what NetRaven does, `make test` proves it. See README.md.

BIN := target/release/netraven
DENY_VERSION := 0.20.2

.PHONY: help demo up build test check fmt bench deny

help:
	@echo "make demo    build, simulate 25 devices, back them up, show a change; runs until Ctrl-C"
	@echo "make up      build and run NetRaven with its own PostgreSQL"
	@echo "make test    all tests, with a real PostgreSQL and real SSH servers (installs what they need)"
	@echo "make check   formatting and lints"
	@echo "make deny    licences, sources and known advisories of the dependencies"
	@echo "make bench   devices per second, CPU and memory of the whole pipeline"
	@echo "make fmt     format the code"

build:
	@scripts/setup.sh build
	cargo build --locked --release --bin netraven

demo: build
	@scripts/setup.sh postgresql
	$(BIN) demo

up: build
	@scripts/setup.sh postgresql
	$(BIN) up

# Test runners hide what passed tests print, so skipped ones are collected and shown at the end.
test: export NETRAVEN_SKIP_LOG := $(CURDIR)/target/skipped-tests.log
test:
	@scripts/setup.sh
	@mkdir -p target && rm -f $(NETRAVEN_SKIP_LOG)
	cargo nextest run --locked --workspace
	cargo test --locked --workspace --doc --quiet
	@if [ -s $(NETRAVEN_SKIP_LOG) ]; then echo "Tests that were skipped:"; cat $(NETRAVEN_SKIP_LOG); fi

check:
	@scripts/setup.sh build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

fmt:
	cargo fmt --all

bench:
	@scripts/setup.sh build
	@scripts/setup.sh postgresql
	cargo bench --locked --workspace

# Advisories need the database of known ones; where it cannot be had, that is said and the rest still holds.
deny:
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny --version $(DENY_VERSION)
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	@if cargo deny --locked fetch db >/dev/null 2>&1; then cargo deny --locked check advisories; \
	else echo "SKIPPED advisories: the database of known ones cannot be fetched from here"; fi
