"""transformers loads the packed folders that `assay compress --export` writes, with the programs that own the formats,
and gives the log-likelihoods of `assay score`.

usage: packed_folder.py ASSAY. A format whose program is not installed is named and left out; exit 77 when none is.
"""
import importlib.util
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from compressed_folder import REQUESTS, assay, compare

RTN4 = ["--method", "rtn", "--bits", "4", "--group_size", "64"]
# Program, name, flags, nats: float32 sums in another order; kernels of gptqmodel compute in 16 bits. Asymmetric
# compressed-tensors are not here: transformers 5.24 refuses the packed zero points that its own compressor writes.
CASES = [
    ("compressed_tensors", "compressed-tensors", [*RTN4, "--sym"], 2e-4),
    ("compressed_tensors", "fp8_channel", ["--method", "dense"], 2e-4),
    ("compressed_tensors", "fp8_tensor", ["--method", "dense"], 2e-4),
    ("bitsandbytes", "bnb", ["--method", "nf4"], 2e-4),
    ("bitsandbytes", "bnb", ["--method", "nf4", "--double_quant"], 2e-4),
    ("bitsandbytes", "bnb", ["--method", "fp4"], 2e-4),
    ("gptqmodel", "gptq", [*RTN4, "--sym"], 2e-2),
    ("gptqmodel", "gptq_v2", RTN4, 2e-2),
    ("gptqmodel", "awq", RTN4, 2e-2),
]


def main(binary, only=None):
    torch.set_num_threads(2)
    installed = [case for case in CASES if importlib.util.find_spec(case[0]) and only in (None, case[1])]
    for program, name, flags, _ in CASES:
        if importlib.util.find_spec(program) is None:
            print(f"left out: {name} {' '.join(flags)} (no {program})")
    if not installed:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        for i, (_, name, flags, tolerance) in enumerate(installed):
            folder = Path(work) / f"{name}_{i}"
            assay(binary, "compress", "smollm2-135m-instruct", *flags, "--export", name, "--save_dtype", "float32",
                  "-o", folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu").eval()
            worst = compare(binary, folder, model, tolerance)
            print(f"{name} {' '.join(flags)}: {len(REQUESTS)} requests agree, largest difference {worst:.1e} nats",
                  flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
