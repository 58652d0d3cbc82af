# make demo: the main job on the real model.   make test: everything that must hold.
.PHONY: setup build demo test bench fuzz lint peers
BUILD := build/release
FUZZ_SECONDS ?= 600

setup:
	@scripts/setup.sh

peers: setup
	@scripts/peers.sh

build: setup
	@mkdir -p build
	@cmake --preset release > build/configure.log 2>&1 || { cat build/configure.log >&2; exit 2; }
	@cmake --build $(BUILD)

test: build
	@ctest --test-dir $(BUILD) --output-on-failure; status=$$?; scripts/skips.py $(BUILD); exit $$status

demo: build
	@$(BUILD)/bin/assay run studies/demo.yaml

fuzz: setup
	@mkdir -p build
	@scripts/fuzz.sh $(FUZZ_SECONDS)

lint: setup
	@scripts/lint.py
