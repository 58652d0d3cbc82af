"""NF4, FP4, double quantization and LLM.int8() by bitsandbytes on the CPU, for a small weight out of a linear
congruential generator. Needs bitsandbytes 0.50.2 beside the environment of `make peers`. Writes bitsandbytes.json.
    TORCHDYNAMO_DISABLE=1 ~/.cache/assay/peers/bin/python tests/golden/make_bitsandbytes_golden.py
"""
import hashlib
import json
from pathlib import Path

import bitsandbytes
import bitsandbytes.functional as F
import torch

OUT, IN, TOKENS = 130, 130, 6  # 265 blocks of 64, the last of 4 weights: two nested blocks


class Generator:
    def __init__(self, seed):
        self.state = seed

    def bits(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state >> 16

    def nearly_normal(self):
        """Sum of four uniform numbers, deviation 0.58: exact in float32."""
        return (sum(self.bits() for _ in range(4)) - 131070) / 65536


def row_hashes(tensor):
    """The first 4 hex digits of the SHA-256 of every row's bytes, one after another."""
    return "".join(hashlib.sha256(row.contiguous().numpy().tobytes()).hexdigest()[:4] for row in tensor)


def unpacked(packed, shape):
    packed = packed.flatten()
    return torch.stack([packed >> 4, packed & 15], 1).flatten()[: shape[0] * shape[1]].view(shape)


def four_bit(weight, kind, nested):
    packed, state = F.quantize_4bit(weight, blocksize=64, quant_type=kind, compress_statistics=nested)
    codes = unpacked(packed, weight.shape)
    if kind == "fp4":
        codes[codes == 8] = 0  # both are zero (of values, + 0.0 does it); on the CPU the sign of x decides nothing
    result = {
        "codes": row_hashes(codes),
        "values": row_hashes(F.dequantize_4bit(packed, state) + 0.0),
        "first_bytes": (16 * codes.flatten()[0:16:2] + codes.flatten()[1:16:2]).tolist(),
        "absmax": state.absmax.tolist(),
    }
    if nested:
        result["nested_absmax"] = state.state2.absmax.tolist()
        result["nested_offset"] = float(state.offset)
    return result


def int8_product(x, codes, scb):
    ops = torch.ops.bitsandbytes
    x_codes, x_scale, columns = ops.int8_vectorwise_quant(x.clone(), 6.0)
    return ops.int8_mixed_scaled_mm(x, x_codes, codes, x_scale, scb, columns, None)[0]


def main():
    generator = Generator(77)
    weight = torch.tensor([[generator.nearly_normal() for _ in range(IN)] for _ in range(OUT)])
    weight.view(-1)[640:704] = 0  # a block of zeros
    x = torch.tensor([[4 * generator.nearly_normal() for _ in range(IN)] for _ in range(TOKENS)])
    x[1, 3], x[1, 70], x[4, 3] = 19.0, -7.5, -40.0
    codes, scb, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(weight, 0.0)
    golden = {
        "bitsandbytes": bitsandbytes.__version__,
        "dynamic_map": F.create_dynamic_map().tolist(),
        "weight": row_hashes(weight),
        "x": row_hashes(x),
        "nf4": four_bit(weight, "nf4", False),
        "fp4": four_bit(weight, "fp4", False),
        "nf4_nested": four_bit(weight, "nf4", True),
        "int8": {
            "codes": row_hashes(codes),
            "scb": scb.tolist(),
            "outputs": 40,  # of a row
            "batch": int8_product(x, codes, scb)[:, :40].flatten().tolist(),
            "one_by_one": torch.cat([int8_product(row[None], codes, scb)[:, :40] for row in x]).flatten().tolist(),
        },
    }
    path = Path(__file__).parent / "bitsandbytes.json"
    path.write_text(json.dumps(golden, separators=(",", ":")).replace('],"', '],\n"') + "\n")
    print(path, path.stat().st_size)


main()
