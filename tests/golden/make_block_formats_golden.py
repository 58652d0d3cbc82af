"""CRC-32 of what the gguf package decodes from pseudorandom blocks of each type: block_formats.json.

    ~/.cache/assay/peers/bin/python tests/golden/make_block_formats_golden.py

Bytes of block after block are the top ones of s = s * 1664525 + 1013904223, from s = 42; then the fields that are halves get
0.01 (1 + block % 7), and those that are exponents 100 + byte % 40, so that all values are finite. The half of IQ1_M lies in the
high nibbles of its last four words.
"""
import importlib.metadata
import json
import zlib
from pathlib import Path

import gguf
import numpy as np

BLOCKS = 40
# type: (places of halves, places of exponents)
TYPES = {"Q5_0": ([0], []), "Q5_1": ([0, 2], []), "Q2_K": ([80, 82], []), "Q3_K": ([108], []), "Q4_K": ([0, 2], []),
         "Q5_K": ([0, 2], []), "Q6_K": ([208], []), "IQ4_NL": ([0], []), "IQ4_XS": ([0], []), "MXFP4": ([], [0]),
         "IQ2_XXS": ([0], []), "IQ2_XS": ([0], []), "IQ2_S": ([0], []), "IQ3_XXS": ([0], []), "IQ3_S": ([0], []),
         "IQ1_S": ([0], []), "IQ1_M": ([], []), "TQ1_0": ([52], []), "TQ2_0": ([64], []), "NVFP4": ([], [])}


def half_of(block):
    return np.float16(0.01 * (1 + block % 7))


def blocks_of(name, size, halves, exponents):
    state, data = 42, np.empty((BLOCKS, size), np.uint8)
    for block in range(BLOCKS):
        for i in range(size):
            state = (state * 1664525 + 1013904223) % 2**32
            data[block, i] = state >> 24
        for place in halves:
            data[block, place:place + 2] = np.frombuffer(half_of(block).tobytes(), np.uint8)
        for place in exponents:
            data[block, place] = 100 + data[block, place] % 40
        if name == "IQ1_M":
            for k in range(4):
                nibble = int(half_of(block).view(np.uint16)) >> (4 * k) & 15
                data[block, 49 + 2 * k] = data[block, 49 + 2 * k] & 15 | nibble << 4
    return data


def main():
    golden = {"gguf": importlib.metadata.version("gguf")}
    for name, places in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        values = gguf.dequantize(blocks_of(name, size, *places), kind)
        assert np.isfinite(values).all()
        golden[name] = f"{zlib.crc32(values.astype('<f4').tobytes()):08x}"
    (Path(__file__).parent / "block_formats.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
