"""Wanda's masks for block 0 of SmolLM2-135M-Instruct by the authors' formulas in PyTorch: statistics by a float32
running mean over sequences, 50 % per row by a stable sort, and 2:4 by a stable sort in each group. The authors take
topk there, which leaves ties to the library: with it 7 rows of q_proj differ, all in groups of three zero weights.
Token ids come from a linear congruential generator, so that the test needs no text. Writes wanda_smollm2.json.
    ~/.cache/assay/peers/bin/python tests/golden/make_wanda_golden.py
"""
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from smollm2_reference import load_model

NUM_SEQUENCES, LENGTH = 4, 96


def sequences(vocab_size):
    state, result = 2024, []
    for _ in range(NUM_SEQUENCES):
        ids = []
        for _ in range(LENGTH):
            state = (state * 1664525 + 1013904223) % 2**32
            ids.append((state >> 8) % vocab_size)
        result.append(ids)
    return result


def main():
    torch.manual_seed(0)
    model = load_model()
    layer = model.model.layers[0]
    linears = {name: module for name, module in layer.named_modules() if isinstance(module, torch.nn.Linear)}
    squares = {name: torch.zeros(module.in_features) for name, module in linears.items()}
    seen = {name: 0 for name in linears}

    def hook(name):
        def take(_, inputs, __):
            x = inputs[0].reshape(-1, inputs[0].shape[-1]).float()  # one sequence
            squares[name] *= seen[name] / (seen[name] + 1)
            seen[name] += 1
            squares[name] += torch.norm(x.t(), p=2, dim=1) ** 2 / seen[name]
        return take

    handles = [module.register_forward_hook(hook(name)) for name, module in linears.items()]
    ids = sequences(model.config.vocab_size)
    with torch.no_grad():
        for row in ids:
            model(torch.tensor([row]))
    for handle in handles:
        handle.remove()

    golden = {"ids_sha256": hashlib.sha256(np.array(ids, dtype="<i4").tobytes()).hexdigest(), "linears": {}}
    for name, module in linears.items():
        weight = module.weight.data
        score = weight.abs() * torch.sqrt(squares[name]).reshape(1, -1)
        columns = torch.sort(score, dim=-1, stable=True)[1][:, : int(score.shape[1] * 0.5)]
        half = torch.zeros_like(score, dtype=torch.bool).scatter_(1, columns, True)
        two_four = torch.zeros_like(half)
        for first in range(0, score.shape[1], 4):
            chosen = torch.sort(score[:, first : first + 4], dim=1, stable=True)[1][:, :2]
            two_four.scatter_(1, first + chosen, True)
        golden["linears"][name] = {
            "norms": [float(v) for v in torch.sqrt(squares[name])[:8]],
            "first_row": half[0].nonzero().flatten()[:24].tolist(),
            "rows": row_hashes(half), "rows_2_4": row_hashes(two_four),
        }
    path = Path(__file__).parent / "wanda_smollm2.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(path, path.stat().st_size)


def row_hashes(mask):
    """The first 4 hex digits of the SHA-256 of every row's mask (one byte an entry, 1 = pruned), one after another."""
    return "".join(hashlib.sha256(row.numpy().astype("u1").tobytes()).hexdigest()[:4] for row in mask)


main()
