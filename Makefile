# `make demo` shows what NetRaven does, `make test` proves it. See README.md.

BIN := target/release/netraven
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := terminal machine redactor telnet

.PHONY: help demo up build test kill-test check fmt bench deny fuzz

help:
	@echo "make demo    build, simulate 25 devices, back them up, show a change; runs until Ctrl-C"
	@echo "make up      build and run NetRaven with its own PostgreSQL"
	@echo "make test    all tests, with a real PostgreSQL and real SSH servers (installs what they need)"
	@echo "make kill-test  back up 500 devices while processes are killed 50 times (make test: the short form)"
	@echo "make check   formatting and lints"
	@echo "make deny    licences, sources and known advisories of the dependencies"
	@echo "make bench   devices per second, CPU and memory of the whole pipeline; key rotation of 100,000 secrets"
	@echo "make fuzz    let each fuzz target look for errors for FUZZ_SECONDS (60)"
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

# Beyond the time that a test runner gives one test.
kill-test:
	@scripts/setup.sh
	NETRAVEN_KILLS=50 NETRAVEN_KILL_DEVICES=500 cargo test --locked -p netraven --test chaos -- --nocapture

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

# Needs a nightly toolchain, which nothing else does. What is found on the way stays out of the tree; a crash is an error.
fuzz:
	@command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz --version $(FUZZ_VERSION)
	cd fuzz && cargo +nightly fuzz build --sanitizer none
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/target/found/$$target; \
		(cd fuzz && cargo +nightly fuzz run --sanitizer none $$target target/found/$$target corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=1024 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1) || exit 1; \
	done

# Advisories need the database of known ones; where it cannot be had, that is said and the rest still holds.
deny:
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny --version $(DENY_VERSION)
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	@if cargo deny --locked fetch db >/dev/null 2>&1; then cargo deny --locked check advisories; \
	else echo "SKIPPED advisories: the database of known ones cannot be fetched from here"; fi
