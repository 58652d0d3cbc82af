"""Gradients of SmolLM2-135M-Instruct's loss by each block linear, in float32 by transformers: per sample, summed over
two samples as |g| and g^2. For each linear the sums of both over the whole matrix, and three single entries. Token ids
come from a linear congruential generator, so that the test needs no text. Writes gradient_smollm2.json.
    ~/.cache/assay/peers/bin/python tests/golden/make_gradient_golden.py
"""
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from smollm2_reference import load_model

LENGTHS = (48, 33)
PROBES = ((0, 0), (7, 11), (100, 300))


def sequences(vocab_size):
    state, result = 2025, []
    for length in LENGTHS:
        ids = []
        for _ in range(length):
            state = (state * 1664525 + 1013904223) % 2**32
            ids.append((state >> 8) % vocab_size)
        result.append(ids)
    return result


def main():
    torch.set_num_threads(1)
    model = load_model()
    linears = {name: module for name, module in model.model.layers.named_modules() if isinstance(module, torch.nn.Linear)}
    l1 = {name: torch.zeros(module.weight.shape, dtype=torch.float64) for name, module in linears.items()}
    squares = {name: torch.zeros_like(sums) for name, sums in l1.items()}
    ids = sequences(model.config.vocab_size)
    losses = []
    for row in ids:
        model.zero_grad()
        loss = model(input_ids=torch.tensor([row]), labels=torch.tensor([row])).loss
        loss.backward()
        losses.append(float(loss.detach()))
        for name, module in linears.items():
            g = module.weight.grad.double()
            l1[name] += g.abs()
            squares[name] += g * g
    golden = {"ids_sha256": hashlib.sha256(b"".join(np.array(row, dtype="<i4").tobytes() for row in ids)).hexdigest(),
              "losses": [float(f"{v:.9g}") for v in losses], "linears": {}}
    for name in linears:
        l2 = squares[name].sqrt()
        golden["linears"][f"model.layers.{name}.weight"] = [
            float(f"{v:.8g}") for v in [l1[name].sum(), l2.sum()] + [s[p] for p in PROBES for s in (l1[name], l2)]]
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in golden["linears"].items())
    head = {key: golden[key] for key in ("ids_sha256", "losses")}
    path = Path(__file__).parent / "gradient_smollm2.json"
    path.write_text(json.dumps(head)[:-1] + ', "linears": {\n' + lines + "\n}}\n")
    print(path, path.stat().st_size)


main()
