"""What the authors' own GPTQ and SparseGPT make of block 0 of SmolLM2-135M-Instruct, float32 on the CPU. Their repositories are
read from where they were unpacked (IST-DASLab/gptq at 2d65066, IST-DASLab/sparsegpt at 147d215); only their classes run: the
model and its inputs are those of smollm2_reference.py, token ids come from a linear congruential generator. Kept are
losses, zeros, and the codes (GPTQ) or masks (SparseGPT) of four rows of every linear, as hexadecimal digits.
    ~/.cache/assay/peers/bin/python tests/golden/make_obs_golden.py --gptq FOLDER --sparsegpt FOLDER
"""
import argparse
import contextlib
import hashlib
import importlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from smollm2_reference import load_model

NUM_SEQUENCES, LENGTH, NUM_ROWS = 8, 256, 4
GPTQ_RUNS = {
    "4bit_row": dict(bits=4, groupsize=-1, actorder=False, static_groups=False),
    "3bit_row_act": dict(bits=3, groupsize=-1, actorder=True, static_groups=False),
    "4bit_g64_static_act": dict(bits=4, groupsize=64, actorder=True, static_groups=True),
}
SPARSEGPT_RUNS = {"50": dict(sparsity=0.5), "2_4": dict(sparsity=0.5, prunen=2, prunem=4)}


def sequences(vocab_size):
    state, result = 2025, []
    for _ in range(NUM_SEQUENCES):
        ids = []
        for _ in range(LENGTH):
            state = (state * 1664525 + 1013904223) % 2**32
            ids.append((state >> 8) % vocab_size)
        result.append(ids)
    return result


def module_of(folder, name):
    """The authors' module `name`, which imports its neighbours by bare names."""
    for stale in ("quant", name):
        sys.modules.pop(stale, None)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def hexadecimal(rows):
    return ["".join(f"{int(v):x}" for v in row) for row in rows]


def evenly(count):
    return [count * i // NUM_ROWS for i in range(NUM_ROWS)]


def quiet(fn):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        fn()
    return float(out.getvalue().split("error")[-1])


def gptq_run(gptq, linear, inputs, run):
    original = linear.weight.data.clone()
    solver = gptq.GPTQ(linear)
    for x in inputs:
        solver.add_batch(x, None)
    solver.quantizer = gptq.Quantizer()
    solver.quantizer.configure(run["bits"], perchannel=True, sym=False, mse=False)
    loss = quiet(lambda: solver.fasterquant(groupsize=run["groupsize"], actorder=run["actorder"],
                                            static_groups=run["static_groups"]))
    values = linear.weight.data.clone()
    linear.weight.data = original
    width = original.shape[1]
    codes = torch.empty_like(values)
    step = width if run["groupsize"] == -1 else run["groupsize"]
    for first in range(0, width, step):
        grid = gptq.Quantizer()
        grid.configure(run["bits"], perchannel=True, sym=False, mse=False)
        grid.find_params(original[:, first:first + step], weight=True)
        codes[:, first:first + step] = torch.round(values[:, first:first + step] / grid.scale) + grid.zero
    return {"loss": loss, "code_sum": int(codes.sum()), "codes": hexadecimal(codes[evenly(len(codes))])}


def sparsegpt_run(sparsegpt, linear, inputs, run):
    original = linear.weight.data.clone()
    solver = sparsegpt.SparseGPT(linear)
    for x in inputs:
        solver.add_batch(x, None)
    loss = quiet(lambda: solver.fasterprune(**run))
    values = linear.weight.data.clone()
    linear.weight.data = original
    pruned = values == 0
    return {"loss": loss, "zeros": int(pruned.sum()), "pruned": hexadecimal(pruned[evenly(len(pruned))])}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gptq", type=Path, required=True)
    parser.add_argument("--sparsegpt", type=Path, required=True)
    arguments = parser.parse_args()
    torch.cuda.synchronize = lambda: None  # both call it after the sweep
    gptq, sparsegpt = module_of(arguments.gptq, "gptq"), module_of(arguments.sparsegpt, "sparsegpt")

    model = load_model()
    layer = model.model.layers[0]
    linears = {name: module for name, module in layer.named_modules() if isinstance(module, torch.nn.Linear)}
    inputs = {name: [] for name in linears}
    handles = [module.register_forward_hook(lambda _, x, __, name=name: inputs[name].append(x[0]))
               for name, module in linears.items()]
    ids = sequences(model.config.vocab_size)
    with torch.no_grad():
        for row in ids:
            model(torch.tensor([row]))
        for handle in handles:
            handle.remove()
        golden = {"ids_sha256": hashlib.sha256(np.array(ids, dtype="<i4").tobytes()).hexdigest(), "linears": {}}
        for name, linear in linears.items():
            golden["linears"][name] = {
                "gptq": {key: gptq_run(gptq, linear, inputs[name], run) for key, run in GPTQ_RUNS.items()},
                "sparsegpt": {key: sparsegpt_run(sparsegpt, linear, inputs[name], run)
                              for key, run in SPARSEGPT_RUNS.items()},
            }
            print(name, {k: v["loss"] for k, v in golden["linears"][name]["gptq"].items()}, file=sys.stderr)
    path = Path(__file__).parent / "obs_smollm2.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(path, path.stat().st_size)


main()
