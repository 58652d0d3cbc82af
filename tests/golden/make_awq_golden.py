"""AWQ's scales and clipping bounds for two blocks by the authors' own program (mit-han-lab/llm-awq), in float32 on the
CPU: block 0 of SmolLM2-135M-Instruct (grouped-query attention; 3 bit, groups of 64) and a block with one value head
per query head whose weights come from a linear congruential generator (4 bit, groups of 32), so that a test of it needs
no file. The program is imported from a checkout, nothing of it is kept here. Writes awq.json.
    ~/.cache/assay/peers/bin/python tests/golden/make_awq_golden.py CHECKOUT
"""
import hashlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

from smollm2_reference import load_model

NUM_SEQUENCES, LENGTH = 11, 96  # 1056 tokens: the clip search takes every second one


def authors(checkout):
    """auto_scale and auto_clip without their CUDA extension: no module moves to a GPU, and .cpu() copies, as from one."""
    for name, path in (("awq", "awq"), ("awq.quantize", "awq/quantize"), ("awq.utils", "awq/utils")):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(checkout) / path)]
        sys.modules[name] = package
    sys.modules["awq_inference_engine"] = types.ModuleType("awq_inference_engine")
    torch.nn.Module.cuda = lambda self, *_: self
    torch.nn.Module.cpu = lambda self: self
    torch.Tensor.cuda = lambda self, *_: self
    torch.Tensor.cpu = lambda self: self.detach().clone()
    from awq.quantize.auto_clip import auto_clip_block
    from awq.quantize.auto_scale import apply_scale, auto_scale_block
    return auto_scale_block, apply_scale, auto_clip_block


class Generator:
    """Sums of four 16-bit halves, centred: exact in float32. The same in awq_golden_test.cpp."""
    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        total = 0
        for _ in range(4):
            self.state = (self.state * 1664525 + 1013904223) % 2**32
            total += self.state >> 16
        return (total - 131070) / 65536

    def matrix(self, rows, cols):
        return torch.tensor([[self() for _ in range(cols)] for _ in range(rows)], dtype=torch.float32)


def synthetic_block():
    config = LlamaConfig(hidden_size=128, intermediate_size=256, num_attention_heads=4, num_key_value_heads=4,
                         rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
                         attn_implementation="sdpa")  # causal where no mask is given
    layer = LlamaDecoderLayer(config, 0).to(torch.float32).eval()
    g = Generator(1234)
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
                 "mlp.up_proj", "mlp.down_proj"):
        module = layer.get_submodule(name)
        module.weight.data = g.matrix(*module.weight.shape) / 8
    columns = torch.arange(128)
    layer.input_layernorm.weight.data = 1.0 + (columns % 5) + 16.0 * (columns % 37 == 0)
    layer.post_attention_layernorm.weight.data = 1.0 + (columns % 3)
    hidden = g.matrix(NUM_SEQUENCES * LENGTH, 128).reshape(NUM_SEQUENCES, LENGTH, 128)
    return layer, hidden, LlamaRotaryEmbedding(config)


def smollm2_block():
    model = load_model()
    state, ids = 2024, []
    for _ in range(NUM_SEQUENCES * LENGTH):
        state = (state * 1664525 + 1013904223) % 2**32
        ids.append((state >> 8) % model.config.vocab_size)
    ids = torch.tensor(ids).reshape(NUM_SEQUENCES, LENGTH)
    sha = hashlib.sha256(ids.numpy().astype("<i4").tobytes()).hexdigest()
    return model.model.layers[0], model.model.embed_tokens(ids), model.model.rotary_emb, sha


def run(layer, hidden, rotary, bits, group, tools):
    auto_scale_block, apply_scale, auto_clip_block = tools
    q_config = {"zero_point": True, "q_group_size": group}
    features, handles = {}, []
    linears = {name: m for name, m in layer.named_modules() if isinstance(m, torch.nn.Linear)}
    for name, module in linears.items():
        handles.append(module.register_forward_hook(
            lambda _, x, __, name=name: features.__setitem__(name, x[0].detach().clone())))
    kwargs = {"position_embeddings": rotary(hidden, torch.arange(LENGTH)[None]), "attention_mask": None}
    layer(hidden, **kwargs)
    for handle in handles:
        handle.remove()
    scales = auto_scale_block(layer, kwargs, w_bit=bits, q_config=q_config, input_feat=features)
    apply_scale(layer, scales, input_feat_dict=features)
    before = {name: m.weight.detach().reshape(m.out_features, -1, group).abs().amax(2) for name, m in linears.items()}
    clips = auto_clip_block(layer, w_bit=bits, q_config=q_config, input_feat=features)
    golden = {"bits": bits, "group_size": group, "pairs": [], "clip": {}}
    for producer, consumers, scale in scales:
        golden["pairs"].append({"producer": producer, "consumers": list(consumers),
                                "scale": scale.numpy().astype("<f4").tobytes().hex()})
    for name, bound in clips:
        steps = ((1 - bound.squeeze(-1) / before[name]) * 20).round().to(int)
        stride = max(1, steps.shape[0] // 36)
        golden["clip"][name] = {"row_stride": stride, "clipped": int((steps > 0).sum()),
                                "rows": ["".join(map(str, row.tolist())) for row in steps[::stride]]}
    return golden


def main():
    tools = authors(sys.argv[1])
    with torch.no_grad():
        layer, hidden, rotary = synthetic_block()
        golden = {"synthetic": run(layer, hidden, rotary, 4, 32, tools)}
        layer, hidden, rotary, sha = smollm2_block()
        golden["smollm2"] = {"ids_sha256": sha, **run(layer, hidden, rotary, 3, 64, tools)}
    path = Path(__file__).parent / "awq.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(path, path.stat().st_size)


main()
