# make demo: the main job on the real model.   make test: everything that must hold.
.PHONY: setup configure build demo test bench fuzz lint peers
BUILD := build/release
FUZZ_SECONDS ?= 600

setup:
	@scripts/setup.sh

peers: setup
	@scripts/peers.sh
	@scripts/gemma.sh

configure: setup
	@mkdir -p build
	@cmake --preset release > build/configure.log 2>&1 || { cat build/configure.log >&2; exit 2; }

build: configure
	@cmake --build $(BUILD)

test: build
	@ctest --test-dir $(BUILD) --output-on-failure; status=$$?; scripts/skips.py $(BUILD); exit $$status

demo: configure
	@cmake --build $(BUILD) --target assay
	@$(BUILD)/bin/assay run studies/demo.yaml

# Speed against lm-eval, of kernels and solvers against their plain versions, and the machine's own product rate beside
# them; on the data of ASSAY_DATA.
bench: build peers
	@$(BUILD)/bin/gemm_rate
	@$(BUILD)/bin/kernels_bench --benchmark_filter='/(16|256|2048)/'
	@$(BUILD)/bin/compress_bench --benchmark_filter='Row|Wanda|Hessian|Factor|Gptq|SparseGpt|SweepPlain'
	@$${ASSAY_CACHE:-$$HOME/.cache/assay}/peers/bin/python bench/score_vs_lm_eval.py

fuzz: setup
	@mkdir -p build
	@scripts/fuzz.sh $(FUZZ_SECONDS)

lint: setup
	@scripts/lint.py
