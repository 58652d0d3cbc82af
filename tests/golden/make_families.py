"""Log-probabilities of a tiny model of each family by transformers, float32 on the CPU: families.json.

Weights are not stored: `value` gives every entry from the tensor's name in the file and its place, here and in
families_test.cpp. Each model is written as a folder and loaded from it, so names and shapes are those of files.
    ~/.cache/assay/peers/bin/python tests/golden/make_families.py
"""
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file

FIGURES = Path(__file__).parent / "families.json"
LENGTH = 40
TOKENS = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2}
COMMON = TOKENS | {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4,
                   "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5}
GPT = TOKENS | {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 64}
GEMMA = COMMON | {"head_dim": 16, "tie_word_embeddings": True, "hidden_activation": "gelu_pytorch_tanh"}
EXPERTS = COMMON | {"num_experts_per_tok": 2, "moe_intermediate_size": 40}
# name: config.json
FAMILIES = {
    "llama 2": COMMON | {"model_type": "llama", "num_key_value_heads": 4},
    "llama 3.1": COMMON | {"model_type": "llama", "tie_word_embeddings": True, "rope_theta": 500000.0, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}},
    "llama, linear rope": COMMON | {"model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "llama, yarn": COMMON | {"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                                                                    "original_max_position_embeddings": 16}},
    "llama, biases": COMMON | {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "mistral": COMMON | {"model_type": "mistral", "sliding_window": 9},
    "mistral, no window": COMMON | {"model_type": "mistral", "sliding_window": None, "head_dim": 16},
    "qwen2": COMMON | {"model_type": "qwen2", "tie_word_embeddings": True, "rope_theta": 1000000.0},
    "qwen2, window": COMMON | {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 9,
                               "max_window_layers": 1},
    "qwen3": COMMON | {"model_type": "qwen3", "head_dim": 16, "rope_theta": 1000000.0},
    "phi-3": COMMON | {"model_type": "phi3", "sliding_window": 9, "pad_token_id": 0},
    "phi-3, longrope": COMMON | {
        "model_type": "phi3", "pad_token_id": 0, "max_position_embeddings": 256, "original_max_position_embeddings": 64,
        "rope_scaling": {"rope_type": "longrope", "short_factor": [1.0, 1.05, 1.1, 1.3, 1.7, 2.5],
                         "long_factor": [1.0, 1.5, 2.0, 4.0, 8.0, 16.0]}},
    "phi-4 mini": COMMON | {"model_type": "phi3", "pad_token_id": 0, "partial_rotary_factor": 0.5,
                            "tie_word_embeddings": True},
    "gemma": GEMMA | {"model_type": "gemma", "num_key_value_heads": 1},
    "gemma 2": GEMMA | {"model_type": "gemma2", "sliding_window": 9, "query_pre_attn_scalar": 24,
                        "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    "gemma 3": GEMMA | {"model_type": "gemma3_text", "num_hidden_layers": 7, "num_key_value_heads": 1,
                        "sliding_window": 9, "query_pre_attn_scalar": 16, "rope_theta": 1000000.0,
                        "rope_local_base_freq": 10000.0},
    "gpt-2": TOKENS | {"model_type": "gpt2", "n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "opt": GPT | {"model_type": "opt", "ffn_dim": 80, "word_embed_proj_dim": 48},
    "bloom": TOKENS | {"model_type": "bloom", "hidden_size": 48, "n_layer": 3, "n_head": 4},
    "bloom, 6 heads": TOKENS | {"model_type": "bloom", "hidden_size": 48, "n_layer": 2, "n_head": 6},
    "pythia": GPT | {"model_type": "gpt_neox", "intermediate_size": 80, "rotary_pct": 0.5},
    "gpt-neox, one after the other": GPT | {"model_type": "gpt_neox", "intermediate_size": 80, "rotary_pct": 0.5,
                                            "use_parallel_residual": False},
    "falcon 7b": GPT | {"model_type": "falcon", "multi_query": True, "parallel_attn": True, "bias": False,
                        "alibi": False, "new_decoder_architecture": False},
    "falcon 40b": GPT | {"model_type": "falcon", "num_kv_heads": 2, "bias": False, "alibi": False,
                         "new_decoder_architecture": True},
    "mixtral": COMMON | {"model_type": "mixtral", "num_local_experts": 5, "num_experts_per_tok": 2,
                         "sliding_window": None},
    "qwen2 moe": EXPERTS | {"model_type": "qwen2_moe", "num_experts": 5, "shared_expert_intermediate_size": 56,
                            "mlp_only_layers": [1]},
    "qwen3 moe": EXPERTS | {"model_type": "qwen3_moe", "num_experts": 5, "head_dim": 16, "norm_topk_prob": True},
}


def value(name, shape, norm):
    """Entry i: a hash of the name and i, in [-1, 1), times a scale; norms are about `norm`."""
    seed = np.uint64(14695981039346656037)
    for byte in name.encode():
        seed = (seed ^ np.uint64(byte)) * np.uint64(1099511628211)
    x = seed + np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    unit = (x >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
    if len(shape) == 1:
        unit = unit * 0.25 + (0 if name.endswith(".bias") else norm)
    else:
        is_table = any(part in name for part in ("embed", "lm_head", "wte", "wpe"))
        unit *= 1 if is_table else np.sqrt(3 / shape[1])
    return torch.from_numpy(unit.astype(np.float32).reshape(shape))


def shapes(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}


@torch.no_grad()
def row(name, written):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = transformers.AutoConfig.for_model(**written)
        transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
        norm = 0 if written["model_type"].startswith("gemma") else 1  # Gemma's multiply by 1 + w
        tensors = {tensor: value(tensor, shape, norm) for tensor, shape in shapes(folder).items()}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], (name, info)
    ids = [(7 * i * i + 3 * i + 1) % TOKENS["vocab_size"] for i in range(LENGTH)]
    log_probabilities = model.eval()(torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
    found = log_probabilities[torch.arange(LENGTH - 1), torch.tensor(ids[1:])].tolist()
    return {"name": name, "config": written, "ids": ids, "log_probabilities": found}


def main():
    with np.errstate(over="ignore"):
        rows = [row(name, written) for name, written in FAMILIES.items()]
    text = ",\n  ".join(map(json.dumps, rows))
    FIGURES.write_text(f'{{"transformers": "{transformers.__version__}",\n "rows": [\n  {text}]}}\n')


main()
