# The two commands of the README are `make demo` and `make test`. Everything else is for people who
# work on the code. Needs a Rust toolchain (rust-toolchain.toml), a C compiler for SQLite and zstd, and
# node with npm for the pages of the console.

CARGO ?= cargo
# Seeds of `make soak`.
SEEDS ?= 10000
# Seconds of `make soak` per decoder.
FUZZ_SECONDS ?= 600
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo test bench bench-compare soak check fmt clippy headless doc deny prerequisites clean-demo web

# Scripts, styles and map of the console; built again when a source is newer.
WEB_SOURCES := web/package.json web/package-lock.json web/.npmrc web/tsconfig.json web/vite.config.ts $(wildcard web/src/*)

help: ## Say what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1|/' | column -t -s '|'

prerequisites: ## Install what the build needs (as root), or say what to install.
	@./.ci/prerequisites

demo: prerequisites web ## Run the main job: server, three inspectors, supervisors, photos, ledger, milestones.
	$(CARGO) build --locked --workspace --bins
	$(CARGO) run --locked --quiet --bin demo

test: prerequisites web ## Run every test.
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace --no-fail-fast

bench: prerequisites web ## Measure; writes target/bench.json. Figures are ratios within one run; never fails on a figure.
	$(CARGO) build --locked --release --workspace --bins
	$(CARGO) run --locked --release --quiet --bin bench

bench-compare: prerequisites web ## Measure samod, plain Automerge sync and PouchDB (needs npm) on the same documents; writes target/bench-compare.json.
	$(CARGO) build --locked --release --workspace --bins
	$(CARGO) run --release --quiet --manifest-path tests/compare/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}"

soak: prerequisites web ## Long simulations, then ten minutes of fuzzing per decoder (prints its seeds; SEEDS=, FUZZ_SECONDS=).
	$(CARGO) build --locked --release --workspace --bins
	$(CARGO) run --locked --release --quiet --bin soak -- $(SEEDS)
	$(CARGO) run --locked --release --quiet --bin fuzz -- --seconds $(FUZZ_SECONDS) --seed "$$(date +%s)"

web: prerequisites web/dist/manifest.json ## Build the front-end of the console into web/dist (npm ci, vite).

web/dist/manifest.json: $(WEB_SOURCES)
	cd web && npm ci --no-audit --no-fund && npm run build

check: fmt clippy headless doc deny ## What CI checks beside the tests.

fmt: ## Formatting.
	$(CARGO) fmt --all --check

clippy: ## Lints, as errors.
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

headless: ## The server without pages compiles: for a build without npm.
	$(CARGO) clippy --locked -p outlet-server --no-default-features -- -D warnings

doc: ## Documentation, dead links as errors.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

deny: ## Licences, bans, sources and advisories, as far as cargo-deny and its database are there.
	@./.ci/deny
