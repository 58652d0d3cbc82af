"""What `assay convert` writes is read by others: the gguf package decodes every tensor to assay's values, transformers'
loader gives the log-likelihoods of `assay score` on the written file.

SmolLM2's file as F32, Q8_0 and Q4_K_M (which falls back to Q5_0 and Q8_0 where rows are not of 256).
"""
import json
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from compressed_folder import REQUESTS, TOLERANCE, assay

FILE_TYPES = ["F32", "Q8_0", "Q4_K_M"]


def hugging_face_name(name):
    parts = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
             "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    if name.startswith("blk."):
        _, layer, part, ending = name.split(".")
        return f"model.layers.{layer}.{parts[part]}.{ending}"
    return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]


def halves(rows, heads):
    """Interleaved rotary order back into halves."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def compare_tensors(file, folder):
    reader = gguf.GGUFReader(file)
    stored = load_file(folder / "model.safetensors")
    heads = {"attn_q": int(reader.fields["llama.attention.head_count"].parts[-1][0]),
             "attn_k": int(reader.fields["llama.attention.head_count_kv"].parts[-1][0])}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            values = halves(values, heads[part])
        expected = stored[hugging_face_name(tensor.name)]
        assert values.shape == expected.shape and np.array_equal(values, expected), tensor.name
    return len(reader.tensors)


def expected(model, context, continuation):
    ids = torch.tensor([context + continuation])
    with torch.no_grad():
        log_probs = torch.log_softmax(model(ids).logits[0, len(context) - 1 : -1].double(), dim=-1)
    return log_probs[torch.arange(len(continuation)), torch.tensor(continuation)].sum().item()


def compare_scores(binary, file):
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    lines = "".join(json.dumps({"id": i, "context": c, "continuation": t}) + "\n" for i, (c, t) in enumerate(REQUESTS))
    answers = [json.loads(line) for line in assay(binary, "score", file, "--input", "-", input=lines).splitlines()]
    worst = 0.0
    for (context, continuation), answer in zip(REQUESTS, answers, strict=True):
        context_ids, ids = tokenizer(context).input_ids, tokenizer(context + continuation).input_ids
        total = expected(model, context_ids, ids[len(context_ids):])
        worst = max(worst, abs(total - answer["log_likelihood"]))
        assert abs(total - answer["log_likelihood"]) <= TOLERANCE, (context, continuation, total, answer)
        assert answer["num_tokens"] == len(ids) - len(context_ids), answer
    return worst


def main(binary):
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as work:
        for file_type in FILE_TYPES:
            file, folder = Path(work) / f"{file_type}.gguf", Path(work) / file_type
            assay(binary, "convert", "smollm2-135m-instruct", file, "--file_type", file_type)
            assay(binary, "convert", file, folder)
            count = compare_tensors(file, folder)
            worst = compare_scores(binary, file)
            print(f"{file_type}: {count} tensors as the gguf package decodes them, scores within {worst:.1e} nats of "
                  "transformers", flush=True)


main(sys.argv[1])
