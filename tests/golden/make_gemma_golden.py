"""Makes gemma3_270m_scores.json: log-probabilities of Gemma 3 270M (Q4_K_M) by transformers in float32, one sequence at a
time, no padding, no cache; one is longer than the window of the local layers. The texts were documents of this repository;
the file holds their token ids. Weights are decoded with the `gguf` package, transformers' own GGUF loader is not used.
    ~/.cache/assay/peers/bin/python tests/golden/make_gemma_golden.py"""
import json
import os
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

CACHE = Path(os.environ.get("ASSAY_CACHE", Path.home() / ".cache/assay"))
GGUF = CACHE / "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf"
NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def load_model(reader):
    field = lambda key: reader.fields["gemma3." + key].contents()
    config = Gemma3TextConfig(
        hidden_size=field("embedding_length"), intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"), num_attention_heads=field("attention.head_count"),
        num_key_value_heads=field("attention.head_count_kv"), head_dim=field("attention.key_length"),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"), max_position_embeddings=field("context_length"),
        sliding_window=field("attention.sliding_window"), query_pre_attn_scalar=field("attention.key_length"),
        vocab_size=len(reader.fields["tokenizer.ggml.tokens"].data), rope_theta=field("rope.freq_base"),
        rope_local_base_freq=10000.0, dtype="float32")
    config._attn_implementation = "eager"
    state = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        parts = tensor.name.split(".")
        if parts[-2].endswith("norm"):
            values = values - 1
        name = (f"model.layers.{parts[1]}.{NAMES[parts[2]]}.weight" if parts[0] == "blk" else
                {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[parts[0]])
        state[name] = torch.from_numpy(np.ascontiguousarray(values))
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = Gemma3ForCausalLM(config).to(torch.float32)
    model.load_state_dict(state, strict=True)
    model.tie_weights()
    print(config.layer_types, config.rope_parameters)
    return model.eval()


def token_ids(reader, text):
    """The longest piece at every place: not the tokenizer's own cut, but tokens of the text."""
    pieces = {piece.replace("▁", " "): i for i, piece in enumerate(reader.fields["tokenizer.ggml.tokens"].contents())}
    ids, at = [2], 0
    while at < len(text):
        size = next(n for n in range(24, 0, -1) if text[at:at + n] in pieces)
        ids.append(pieces[text[at:at + size]])
        at += size
    return ids


@torch.no_grad()
def log_probabilities(model, ids):
    logits = model(input_ids=torch.tensor([ids[:-1]])).logits[0]
    assert logits.dtype == torch.float32
    table = torch.log_softmax(logits.double(), -1)
    return table[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].tolist()


def main():
    reader = gguf.GGUFReader(GGUF)
    out = Path(__file__).with_name("gemma3_270m_scores.json")
    if out.exists():  # the texts stay as they are, whatever the documents say today
        texts = [row["ids"] for row in json.loads(out.read_text())["rows"]]
    else:
        documents = Path(__file__).resolve().parents[2]
        adr = (documents / "docs/adr/0025-verdict-of-a-signed-bias.md").read_text().split("\n\n", 1)[1]
        changelog = (documents / "docs/studying-your-own-model.md").read_text()
        texts = [token_ids(reader, adr)[:60], token_ids(reader, changelog)[:640]]
    model = load_model(reader)
    rows = [{"ids": ids, "log_probabilities": [round(x, 7) for x in log_probabilities(model, ids)]} for ids in texts]
    out.write_text('{"rows": [\n' + ",\n".join(map(json.dumps, rows)) + "]}\n")


main()
