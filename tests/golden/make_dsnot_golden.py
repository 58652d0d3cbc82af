"""DSnoT's masks for one linear by the authors' code (github.com/zyxxmu/DSnoT, a checkout of which is the argument): its
prune_DSnoT on a model that is one linear of 8 x 256 and 512 calibration tokens in four sequences, from Wanda's mask.
Numbers come from the generator of fixture T3 with state 4321, tokens shifted so that channels have means. Writes
dsnot.json: per run and row the first 8 hex digits of the SHA-256 of the mask (one byte an entry, 1 = pruned).
    ~/.cache/assay/peers/bin/python tests/golden/make_dsnot_golden.py CHECKOUT
"""
import hashlib
import json
import sys
import types
from pathlib import Path

import torch

ROWS, COLS, SEQUENCES, LENGTH = 8, 256, 4, 128
state = 4321


def g():
    global state
    total = 0
    for _ in range(4):
        state = (state * 1664525 + 1013904223) % 2**32
        total += state >> 16
    return (total - 131070) / 65536


class Attention(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.q_proj = torch.nn.Linear(COLS, ROWS, bias=False)
        self.q_proj.weight.data = weight.clone()


class Layer(torch.nn.Module):
    """The input passes through; the linear runs for its hook."""

    def __init__(self, weight):
        super().__init__()
        self.self_attn = Attention(weight)

    def forward(self, x, **_):
        self.self_attn.q_proj(x)
        return (x,)


def main():
    weight = torch.tensor([[g() / 16 for _ in range(COLS)] for _ in range(ROWS)])
    shift = [g() / 8 for _ in range(COLS)]
    tokens = []
    for _ in range(SEQUENCES * LENGTH):
        common = g()
        tokens.append([(g() + common / 2 + shift[j]) * (1 + j % 5) for j in range(COLS)])
    inputs = torch.tensor(tokens).reshape(SEQUENCES, LENGTH, COLS)

    # The authors' data module asks for packages that are not needed here.
    sys.modules["datasets"] = types.SimpleNamespace(load_dataset=None)
    sys.path.insert(0, sys.argv[1])
    from lib import prune
    prune.get_loaders = lambda *_, **__: (None, None)
    prune.prepare_calibration_input = lambda *_: (inputs.clone(), torch.zeros_like(inputs), None, None)

    golden = {}
    # Where nearly all weights have the sign of their input's mean, those of the other sign are soon used up.
    aligned = torch.where(torch.arange(COLS) % 16 == 0, weight, weight.abs() * torch.tensor(shift).sign())
    for name, pattern, any_sign in (("half", (0, 0), False), ("half_any_sign", (0, 0), True), ("2:4", (2, 4), False),
                                    ("4:8", (4, 8), False), ("aligned", (0, 0), False), ("aligned_any_sign", (0, 0), True)):
        layer = Layer(aligned if name.startswith("aligned") else weight)
        model = types.SimpleNamespace(
            config=types.SimpleNamespace(use_cache=True), model=types.SimpleNamespace(layers=[layer]), hf_device_map={},
            seqlen=LENGTH)
        args = types.SimpleNamespace(
            nsamples=SEQUENCES, seed=0, initial_method="wanda", sparsity_ratio=0.5, max_cycle_time=50,
            update_threshold=0.1, pow_of_var_regrowing=1, pow_of_var_pruning=1, skip_layer="no_skip",
            skip_sub_layer="no_skip", without_same_sign=any_sign, without_DSnoT=False, get_time_overhead=False)
        prune.prune_DSnoT(args, model, None, torch.device("cpu"), *pattern)
        pruned = layer.self_attn.q_proj.weight.data == 0
        golden[name] = [hashlib.sha256(row.numpy().astype("u1").tobytes()).hexdigest()[:8] for row in pruned]
        print(name, pruned.sum(1).tolist())
    (Path(__file__).parent / "dsnot.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
