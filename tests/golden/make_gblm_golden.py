"""GBLM's masks for block 0 of SmolLM2-135M-Instruct by the authors' formulas in PyTorch, in float32: Wanda's statistics by
a running mean over sequences, gradients of each sample's loss by transformers, aggregated as sum |g| and sqrt(sum g^2)
and brought from 4 samples to the authors' 128, alpha 100, 50 % per row by a stable sort. Token ids as in
make_wanda_golden.py. Writes gblm_smollm2.json.
    ~/.cache/assay/peers/bin/python tests/golden/make_gblm_golden.py
"""
import hashlib
import json
from pathlib import Path

import torch

from smollm2_reference import load_model

NUM_SEQUENCES, LENGTH, ALPHA = 4, 96, 100


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
    torch.set_num_threads(1)
    model = load_model()
    layer = model.model.layers[0]
    linears = {name: module for name, module in layer.named_modules() if isinstance(module, torch.nn.Linear)}
    norms = {name: torch.zeros(module.in_features) for name, module in linears.items()}
    l1 = {name: torch.zeros_like(module.weight.data) for name, module in linears.items()}
    squares = {name: torch.zeros_like(module.weight.data) for name, module in linears.items()}
    seen = {name: 0 for name in linears}

    def hook(name):
        def take(_, inputs, __):
            x = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).float()  # one sequence
            norms[name] *= seen[name] / (seen[name] + 1)
            seen[name] += 1
            norms[name] += torch.norm(x.t(), p=2, dim=1) ** 2 / seen[name]
        return take

    for name, module in linears.items():
        module.register_forward_hook(hook(name))
    for row in sequences(model.config.vocab_size):
        model.zero_grad()
        model(input_ids=torch.tensor([row]), labels=torch.tensor([row])).loss.backward()
        for name, module in linears.items():
            l1[name] += module.weight.grad.abs()
            squares[name] += module.weight.grad ** 2

    golden = {}
    for name, module in linears.items():
        weight = module.weight.data.abs()
        wanda = weight * torch.sqrt(norms[name]).reshape(1, -1)
        scaled_l1 = l1[name] * (ALPHA * 128 / NUM_SEQUENCES)
        scaled_l2 = squares[name].sqrt() * (ALPHA * (128 / NUM_SEQUENCES) ** 0.5)
        golden[name] = {"blend_l1": row_hashes(wanda + weight * scaled_l1),
                        "blend_l2": row_hashes(wanda + weight * scaled_l2),
                        "gradient_l2": row_hashes(weight * scaled_l2),
                        "inverse_l2": row_hashes(wanda * (1 / (scaled_l2 + 1e-8)))}
    path = Path(__file__).parent / "gblm_smollm2.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(path, path.stat().st_size)


def row_hashes(score):
    """The first 2 hex digits of the SHA-256 of every row's mask (one byte an entry, 1 = pruned), one after another."""
    columns = torch.sort(score, dim=-1, stable=True)[1][:, : int(score.shape[1] * 0.5)]
    mask = torch.zeros_like(score, dtype=torch.bool).scatter_(1, columns, True)
    return "".join(hashlib.sha256(row.numpy().astype("u1").tobytes()).hexdigest()[:2] for row in mask)


main()
