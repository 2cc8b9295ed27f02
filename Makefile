# The two commands of the README are `make demo` and `make test`. Everything else is for people who
# work on the code. Needs a Rust toolchain (rust-toolchain.toml) and a C compiler for SQLite and zstd.

CARGO ?= cargo
# Seeds of `make soak`.
SEEDS ?= 10000
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo test bench soak check fmt clippy doc deny prerequisites clean-demo

help: ## Say what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1|/' | column -t -s '|'

prerequisites: ## Install what the build needs (as root), or say what to install.
	@./.ci/prerequisites

demo: prerequisites ## Run the main job: server, three inspectors, supervisors, photos, ledger, milestones.
	$(CARGO) build --locked --workspace --bins
	$(CARGO) run --locked --quiet -p outlet-tests --bin demo

test: prerequisites ## Run every test.
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace --no-fail-fast

bench: prerequisites ## Measure; writes target/bench.json. Figures are ratios within one run; never fails on a figure.
	$(CARGO) build --locked --release --workspace --bins
	$(CARGO) run --locked --release --quiet -p outlet-tests --bin bench

soak: prerequisites ## Long simulations and crash runs (hours are fine; prints its seeds).
	$(CARGO) build --locked --release --workspace --bins
	$(CARGO) run --locked --release --quiet -p outlet-tests --bin soak -- $(SEEDS)

check: fmt clippy doc ## What CI checks beside the tests.

fmt: ## Formatting.
	$(CARGO) fmt --all --check

clippy: ## Lints, as errors.
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: ## Documentation, dead links as errors.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

deny: ## Licences, advisories and bans (needs cargo-deny).
	$(CARGO) deny check
