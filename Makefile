# Every command that anyone needs. `make help` lists them; CI calls nothing else.
ARCH     := $(shell uname -m)
TARGET   := $(ARCH)-unknown-linux-musl
OUT      := $(or $(CARGO_TARGET_DIR),target)
BIN      := $(OUT)/$(TARGET)/release/windlass
PREFIX   ?= /usr/local
PLUGINS  := harness-step drone-kaniko ecr gar acr docker-registry auto-tag buildah base-images
# Every build selects the whole workspace: another selection has other features, and builds wasmtime once more.
export CARGO_BUILD_TARGET   = $(TARGET)
# The toolchain's own linker takes seconds less than the system's for each of some twenty large programs.
export CARGO_TARGET_$(shell echo $(TARGET) | tr a-z- A-Z_)_LINKER = rust-lld
export WINDLASS_PLUGINS_DIR = $(abspath $(OUT)/plugins)

.PHONY: help setup setup-build setup-test plugins build demo test fuzz lint fmt picture bench install clean
help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: setup-build setup-test ## install everything that building, testing and the demo need

setup-build:
	@.ci/setup build

setup-test:
	@.ci/setup test

plugins: setup-build ## build the first-party plugins as components, and compile them ahead of time
	cargo build --profile plugin --target wasm32-unknown-unknown $(PLUGINS:%=-p windlass-%)
	cargo build --release --workspace --bin windlass-precompile
	$(OUT)/$(TARGET)/release/windlass-precompile $(WINDLASS_PLUGINS_DIR) $(foreach p,$(subst -,_,$(PLUGINS)),$(OUT)/wasm32-unknown-unknown/plugin/windlass_$(p).wasm)

build: plugins ## build the static release binary
	cargo build --release --workspace --bin windlass

demo: build ## build and push the project's own image to a registry on this machine
	@examples/demo $(BIN)

test: build setup-test ## run the tests, against real servers on this machine
	tests/conformance/check.py --bin $(BIN) --jobs 2
	WINDLASS_BIN=$(abspath $(BIN)) cargo nextest run --release --workspace --test-threads $$(($$(nproc) + 1))

# A workspace of its own. Finds go to target/fuzz, beside the small corpus that is checked in.
FUZZ_TARGETS := dockerfile expand ignore layer
FUZZ_SECONDS ?= 60
fuzz: setup-build ## try what reads hostile input with inputs that nobody thought of, FUZZ_SECONDS for each reader
	command -v cargo-fuzz >/dev/null || env -u CARGO_BUILD_TARGET cargo install --locked cargo-fuzz
	env -u CARGO_BUILD_TARGET cargo test --manifest-path tests/fuzz/Cargo.toml --test parse_dockerfile
	for name in $(FUZZ_TARGETS); do mkdir -p $(OUT)/fuzz/$$name && \
	    env -u CARGO_BUILD_TARGET RUSTC_BOOTSTRAP=1 cargo fuzz run -O --fuzz-dir tests/fuzz $$name \
	        $(abspath $(OUT))/fuzz/$$name tests/fuzz/corpus/$$name -- \
	        -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -dict=tests/fuzz/dockerfile.dict || exit 1; done

lint: plugins ## formatting, clippy, dependency rules
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	cargo check --release --target wasm32-unknown-unknown -p windlass-core -p windlass-dockerfile
	.ci/check-dependencies

fmt: ## format the code
	cargo fmt --all

picture: build ## draw docs/terminal.svg from a run of the binary
	docs/terminal.py $(BIN) > docs/terminal.svg

bench: build setup-test ## measure against other builders in the same run; writes docs/benchmarks.md
	cargo test --release --workspace --test runtime --no-run
	tests/bench/run $(BIN)

install: build ## put the binary at PREFIX/bin/windlass
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/windlass
	strip $(DESTDIR)$(PREFIX)/bin/windlass

clean: ## remove what was built
	cargo clean
