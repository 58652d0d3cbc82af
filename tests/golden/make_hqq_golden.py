"""Zero points by the solvers of the package hqq (0.2.8.post1), from the grids of assay's scalar quantizer, for small
weights out of a linear congruential generator: `best` by the solver that keeps the best step, `last` by the default
one, which keeps what its last step proposed. Needs hqq beside the environment of `make peers`. Writes hqq.json.
    ~/.cache/assay/peers/bin/python tests/golden/make_hqq_golden.py
"""
import json
from pathlib import Path

import torch
from hqq.core.optimize import optimize_weights_proximal_legacy, optimize_weights_proximal_v2

ROWS, COLS, GROUP = 12, 128, 64
OPTIONS = {"lp_norm": 0.7, "beta": 10.0, "kappa": 1.01, "iters": 20}


def weights(size):
    state, values = 99, []
    for _ in range(ROWS * COLS):
        total = -131070
        for _ in range(4):
            state = (state * 1664525 + 1013904223) % 2**32
            total += state >> 16
        values.append(total / 65536 * size)  # size is a power of two: exact in float32
    return torch.tensor(values).view(-1, GROUP)


def zeros(groups, bits):
    max_code = 2**bits - 1
    low, high = groups.amin(1, True).clamp(max=0), groups.amax(1, True).clamp(min=0)
    scale = (high - low) / max_code
    start = torch.round(-low / scale)
    solve = {
        "best": lambda: optimize_weights_proximal_v2(
            groups, 1 / scale, start, [0, max_code], axis=1,
            opt_params=OPTIONS | {"tol": 0.0, "early_stop": True, "scale_gridsearch": False}),
        "last": lambda: optimize_weights_proximal_legacy(
            groups, 1 / scale, start, [0, max_code], axis=1, opt_params=OPTIONS),
    }
    return {name: solver()[2].flatten().tolist() for name, solver in solve.items()}


golden = [{"size": size, "bits": bits, **zeros(weights(size), bits)} for size in (2**-5, 4.0) for bits in (2, 3, 4, 8)]
path = Path(__file__).parent / "hqq.json"
path.write_text("[" + ",\n".join(json.dumps(case) for case in golden) + "]\n")
print(path, path.stat().st_size)
