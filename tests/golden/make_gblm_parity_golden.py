"""GBLM by the authors' code (github.com/VILA-Lab/GBLM-Pruner, a checkout of which is the argument): their aggregation of
the gradients of four samples in float16 and their prune_gblm and prune_gradient, on a model that is one float16 linear of
8 x 256 with 512 calibration tokens in four sequences. Numbers come from the generator of fixture T3 with state 8765.
Writes gblm_parity.json: per run and row the first 8 hex digits of the SHA-256 of the mask (one byte an entry, 1 = pruned).
    ~/.cache/assay/peers/bin/python tests/golden/make_gblm_parity_golden.py CHECKOUT
"""
import hashlib
import importlib.metadata
import json
import sys
import tempfile
import types
from pathlib import Path

import torch
import transformers

ROWS, COLS, SEQUENCES, LENGTH, SCALE = 8, 256, 4, 128, 100
state = 8765


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
        self.q_proj.weight = torch.nn.Parameter(weight.clone())


class Layer(torch.nn.Module):
    """The input passes through; the linear runs for its hook."""

    def __init__(self, weight):
        super().__init__()
        self.self_attn = Attention(weight)

    def forward(self, x, **_):
        self.self_attn.q_proj(x)
        return (x,)


def model_of(weight):
    return types.SimpleNamespace(config=types.SimpleNamespace(use_cache=True), hf_device_map={}, seqlen=LENGTH,
                                 model=types.SimpleNamespace(layers=[Layer(weight)]))


def import_authors():
    """Their modules import packages that are not needed here."""
    for name in ("datasets", "matplotlib", "matplotlib.pyplot", "tqdm"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["datasets"].load_dataset = None
    sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]
    sys.modules["tqdm"].tqdm = lambda values, **_: values
    transformers.AdamW = torch.optim.AdamW
    importlib.metadata.version = lambda _: ""
    sys.path.insert(0, sys.argv[1])
    import gradient_computation
    from lib import prune
    return gradient_computation, prune


def main():
    gradient_computation, prune = import_authors()
    weight = torch.tensor([[g() / 16 for _ in range(COLS)] for _ in range(ROWS)]).half()
    tokens = []
    for _ in range(SEQUENCES * LENGTH):
        common = g()
        tokens.append([(g() + common / 2) * (1 + j % 5) for j in range(COLS)])
    inputs = torch.tensor(tokens).reshape(SEQUENCES, LENGTH, COLS).half()
    model = model_of(weight)
    linear = model.model.layers[0].self_attn.q_proj
    sums = gradient_computation.gradient_computation(model, SCALE)
    for sample in range(SEQUENCES):
        linear.weight.grad = torch.tensor([[g() / 64 for _ in range(COLS)] for _ in range(ROWS)]).half()
        sums.update_gradient(model, sample + 1)
    l2 = {name: torch.sqrt(values).to(dtype=torch.float16) for name, values in sums.gradients_l2.items()}

    prune.get_loaders = lambda *_, **__: (None, None)
    prune.prepare_calibration_input = lambda *_: (inputs.clone(), torch.zeros_like(inputs), None, None)
    golden = {}
    for name, function, norm, inverse, pattern in (
            ("blend_l1", prune.prune_gblm, sums.gradients_l1, False, (0, 0)),
            ("blend_l2", prune.prune_gblm, l2, False, (0, 0)),
            ("blend_l2_2:4", prune.prune_gblm, l2, False, (2, 4)),
            ("gradient_l1", prune.prune_gradient, sums.gradients_l1, False, (0, 0)),
            ("inverse_l2", prune.prune_gblm, l2, True, (0, 0))):
        with tempfile.NamedTemporaryFile() as file:
            torch.save(norm, file.name)
            args = types.SimpleNamespace(gradient_path=file.name, nsamples=SEQUENCES, seed=0, seqlen=LENGTH,
                                         gradient_inv=inverse, use_variant=False, sparsity_ratio=0.5)
            model = model_of(weight)
            with torch.no_grad():
                function(args, model, None, torch.device("cpu"), *pattern)
        pruned = model.model.layers[0].self_attn.q_proj.weight.data == 0
        golden[name] = [hashlib.sha256(row.numpy().astype("u1").tobytes()).hexdigest()[:8] for row in pruned]
        print(name, pruned.sum(1).tolist())
    (Path(__file__).parent / "gblm_parity.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
