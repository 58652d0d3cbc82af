"""Log-probabilities of a tiny model of each family by transformers, float32 on the CPU: families.json.

Weights are not stored: `value` gives every entry from the tensor's name and its place, here and in families_test.cpp.
    ~/.cache/assay/peers/bin/python tests/golden/make_families.py
"""
import json
from pathlib import Path

import numpy as np
import torch
import transformers

FIGURES = Path(__file__).parent / "families.json"
LENGTH = 40
COMMON = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
          "vocab_size": 97, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2}
# name: what config.json says beside COMMON
FAMILIES = {
    "llama 2": {"model_type": "llama", "num_key_value_heads": 4},
    "llama 3.1": {"model_type": "llama", "tie_word_embeddings": True, "rope_theta": 500000.0, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}},
    "llama, linear rope": {"model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "llama, yarn": {"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                                                           "original_max_position_embeddings": 16}},
    "llama, biases": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "mistral": {"model_type": "mistral", "sliding_window": 9},
    "mistral, no window": {"model_type": "mistral", "sliding_window": None, "head_dim": 16},
    "qwen2": {"model_type": "qwen2", "tie_word_embeddings": True, "rope_theta": 1000000.0},
    "qwen2, window": {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
    "qwen3": {"model_type": "qwen3", "head_dim": 16, "rope_theta": 1000000.0},
}


def value(name, shape):
    """Entry i: a hash of the name and i, in [-1, 1), times a scale; norms are about 1."""
    seed = np.uint64(14695981039346656037)
    for byte in name.encode():
        seed = (seed ^ np.uint64(byte)) * np.uint64(1099511628211)
    x = seed + np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    unit = (x >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
    if len(shape) == 1:
        unit = unit * 0.25 + (0 if name.endswith(".bias") else 1)
    else:
        unit *= 1 if "embed" in name or "lm_head" in name else np.sqrt(3 / shape[1])
    return torch.from_numpy(unit.astype(np.float32).reshape(shape))


@torch.no_grad()
def row(name, given):
    written = COMMON | given
    config = transformers.AutoConfig.for_model(**written)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for tensor, parameter in model.named_parameters():
        parameter.copy_(value(tensor, tuple(parameter.shape)))
    ids = [(7 * i * i + 3 * i + 1) % COMMON["vocab_size"] for i in range(LENGTH)]
    log_probabilities = model(torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
    found = log_probabilities[torch.arange(LENGTH - 1), torch.tensor(ids[1:])].tolist()
    return {"name": name, "config": written, "ids": ids, "log_probabilities": found}


def main():
    with np.errstate(over="ignore"):
        rows = [row(name, given) for name, given in FAMILIES.items()]
    text = ",\n  ".join(map(json.dumps, rows))
    FIGURES.write_text(f'{{"transformers": "{transformers.__version__}",\n "rows": [\n  {text}]}}\n')


main()
