"""Makes kv_cache.json: log-likelihoods of the texts of smollm2_scores.json under transformers (float32, one sequence at a
time, all tokens in one pass) with a cache that quantizes and dequantizes every key and value as it enters, in groups of
channels of a head. A value at the edge between two codes takes the one or the other as float32 happens to sum, and what
follows multiplies that from layer to layer: so the model is also cut to its first three layers, where it hardly shows.
Run with the peers environment: python tests/golden/make_kv_cache_golden.py"""
import json
from pathlib import Path

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from smollm2_reference import load_model

FORMATS = [{"bits": 8, "group_size": 64, "sym": False}, {"bits": 4, "group_size": 64, "sym": False},
           {"bits": 4, "group_size": 32, "sym": True}, {"bits": 2, "group_size": 64, "sym": False}]
here = Path(__file__).resolve()
stems = json.loads(here.with_name("smollm2_scores.json").read_text())["stems"]
texts = [0, 1, 5, 9, 14, len(stems) - 1]
model = load_model()
layers = model.model.layers


def through(states, bits, group_size, sym):
    x = states.unflatten(-1, (-1, group_size))
    if sym:
        steps = 2 ** (bits - 1) - 1
        step = x.abs().amax(-1, keepdim=True) / steps
        return (torch.round(x / step).clamp(-steps, steps) * step).flatten(-2)
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    step = (high - low) / (2**bits - 1)
    return (low + torch.round((x - low) / step) * step).flatten(-2)


def quantized_cache(form):
    class Layer(DynamicLayer):
        def update(self, keys, values, *args, **kwargs):
            return super().update(through(keys, **form), through(values, **form), *args, **kwargs)
    return Cache(layers=[Layer() for _ in range(model.config.num_hidden_layers)])


@torch.no_grad()
def log_likelihoods(ids, cache, one_by_one=False):
    parts = [[i] for i in ids[:-1]] if one_by_one else [ids[:-1]]
    logits = torch.cat([model(input_ids=torch.tensor([part]), cache=cache).logits[0] for part in parts])
    assert logits.dtype == torch.float32 and cache.get_seq_length() == len(ids) - 1
    return torch.log_softmax(logits.double(), -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()


cases = []
for depth in (3, len(layers)):
    model.model.layers = layers[:depth]
    for form in [None, *FORMATS]:
        make = (lambda: quantized_cache(form)) if form else DynamicCache
        rows = [log_likelihoods(stems[text], make()) for text in texts]
        decoded = log_likelihoods(stems[texts[0]][:21], make(), one_by_one=True)  # transformers against itself
        print(depth, form, sum(map(sum, rows)), "decoding differs by", max(abs(a - b) for a, b in zip(decoded, rows[0])))
        cases.append({"layers": depth, "format": form, "log_likelihoods": [[round(v, 6) for v in row] for row in rows]})
out = here.with_name("kv_cache.json")
out.write_text(json.dumps({"texts": texts, "cases": cases}) + "\n")
print(out, out.stat().st_size)
