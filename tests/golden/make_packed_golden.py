"""Packed linears as the programs that own the formats write them, and the values that they read back, for a small
weight out of a linear congruential generator. Needs gptqmodel 7.7.0, autoawq 0.2.9, bitsandbytes 0.50.2, hqq 0.2.8,
compressed-tensors 0.20.0, and, for the formats that it dropped, a folder with compressed-tensors 0.12.2 (pip install
--no-deps --target). Writes packed.json.
    TORCHDYNAMO_DISABLE=1 python tests/golden/make_packed_golden.py PROGRAM [FOLDER]
for each PROGRAM of MAKERS in turn, which adds its cases to the file; FOLDER is that of 0.12.2.
"""
import hashlib
import json
import sys
from pathlib import Path

import torch

PATH = Path(__file__).parent / "packed.json"
DTYPES = {torch.int32: "I32", torch.int64: "I64", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
          torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float8_e4m3fn: "F8_E4M3"}


class Generator:
    def __init__(self, seed):
        self.state = seed

    def bits(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state >> 16

    def matrix(self, rows, cols):
        return torch.tensor([[sum(self.bits() for _ in range(4)) - 131070 for _ in range(cols)]
                             for _ in range(rows)], dtype=torch.float32) / 65536


def part(tensor):
    tensor = tensor.detach().contiguous()
    raw = tensor.view(torch.uint8) if tensor.dim() else tensor.reshape(1).view(torch.uint8)
    return {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "hex": raw.numpy().tobytes().hex()}


def case(config, parts, values=None, rounding="float32", approximate=False):
    result = {"config": config, "parts": {name: part(tensor) for name, tensor in parts.items()}, "rounding": rounding}
    if values is not None and approximate:  # another order of two products
        result["values"] = values.detach().float().flatten()[:64].tolist()
    elif values is not None:
        result["sha256"] = hashlib.sha256((values.detach().float() + 0.0).contiguous().numpy().tobytes()).hexdigest()
    return result


def grid(weight, bits, group, symmetric):
    """Scales (float16) and zeros [out, groups], and the weight on the grid."""
    rows, cols = weight.shape
    grouped = weight.view(rows, cols // group, group)
    low, high = grouped.amin(2).clamp(max=0), grouped.amax(2).clamp(min=0)
    top = 2**bits - 1
    if symmetric:
        scale = (2 * torch.maximum(-low, high) / top).half().float()
        zero = torch.full_like(scale, 2 ** (bits - 1))
    else:
        scale = ((high - low) / top).half().float()
        zero = (-low / scale).round().clamp(1, top)  # GPTQ's first version holds no 0
    codes = (grouped / scale[:, :, None]).round().add(zero[:, :, None]).clamp(0, top)
    values = (codes - zero[:, :, None]) * scale[:, :, None]
    return scale, zero, values.reshape(rows, cols)


def gptq_cases(weight):
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear
    from gptqmodel.quantization import FORMAT
    for bits, group, symmetric, scattered in ((4, 32, True, False), (4, 32, False, True), (3, 64, False, False),
                                              (2, 32, False, False), (8, 64, True, False)):
        out, width = weight.shape
        scale, zero, _ = grid(weight, bits, group, symmetric)
        g_idx = torch.arange(width, dtype=torch.int32) // group
        if scattered:
            g_idx = g_idx[torch.randperm(width, generator=torch.Generator().manual_seed(0))]
        of_column, zero_of_column = scale[:, g_idx.long()], zero[:, g_idx.long()]
        codes = (weight / of_column).round().add(zero_of_column).clamp(0, 2**bits - 1)
        linear = torch.nn.Linear(width, out, bias=False)
        linear.weight.data = (codes - zero_of_column) * of_column
        layer = TorchLinear(bits=bits, group_size=group, sym=symmetric, desc_act=scattered, in_features=width,
                            out_features=out, bias=False)
        layer.pack_original(linear, scale, zero, g_idx)
        config = {"quant_method": "gptq", "bits": bits, "group_size": group, "sym": symmetric,
                  "desc_act": scattered, "checkpoint_format": "gptq_v2"}
        parts = {name: getattr(layer, name) for name in ("qweight", "qzeros", "scales", "g_idx")}
        parts["g_idx"] = parts["g_idx"].to(torch.int32)
        yield f"gptq_{bits}bit_g{group}" + ("_desc_act" if scattered else ""), case(config, parts, linear.weight)


def awq_cases(weight):
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.modules.linear.gemv import WQLinear_GEMV
    for name, layer_class, group in (("gemm", WQLinear_GEMM, 32), ("gemv", WQLinear_GEMV, 64)):
        scale, zero, values = grid(weight, 4, group, False)
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight.data = values
        layer = layer_class.from_linear(linear, 4, group, False, scale.t().contiguous().half() if name == "gemm"
                                        else scale.half(), zero.t().contiguous() if name == "gemm" else zero)
        config = {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": name}
        yield "awq_" + name, case(config, {key: getattr(layer, key) for key in ("qweight", "qzeros", "scales")}, values)


def bitsandbytes_cases(weight):
    import bitsandbytes.functional as F
    for kind in ("nf4", "fp4"):
        for nested in (False, True):
            packed, state = F.quantize_4bit(weight, blocksize=64, quant_type=kind, compress_statistics=nested)
            values = F.dequantize_4bit(packed, state)
            parts = {"weight": packed}
            parts.update({"weight." + key: value for key, value in state.as_dict(packed=True).items()})
            config = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": kind,
                      "bnb_4bit_use_double_quant": nested}
            yield kind + ("_nested" if nested else ""), case(config, parts, values)
    codes, absmax, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(weight, 0.0)
    parts = {"weight": codes, "SCB": absmax, "weight_format": torch.tensor(0, dtype=torch.uint8)}
    yield "llm_int8", case({"quant_method": "bitsandbytes", "load_in_8bit": True}, parts,
                           torch.ops.bitsandbytes.int8_vectorwise_dequant(codes, absmax), approximate=True)


def hqq_cases(weight):
    from hqq.core.quantize import BaseQuantizeConfig, HQQLinear, Quantizer
    for bits in (4, 2, 8):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight.data = weight.clone()
        settings = BaseQuantizeConfig(nbits=bits, group_size=32, axis=1)
        layer = HQQLinear(linear, settings, compute_dtype=torch.float32, device="cpu", initialize=True)
        state = layer.state_dict()
        parts = {key: state[key] for key in ("W_q", "scale", "zero", "shape", "nbits", "axis", "group_size")}
        config = {"quant_method": "hqq", "quant_config": {"weight_quant_params": {
            key: settings["weight_quant_params"][key] for key in ("nbits", "group_size", "axis", "channel_wise",
                                                                  "optimize", "round_zero", "view_as_float")}}}
        yield f"hqq_{bits}bit", case(config, parts, Quantizer.dequantize(layer.W_q, layer.meta))


def compressed_config(name, weights, inputs=None):
    return {"quant_method": "compressed-tensors", "format": name, "quantization_status": "compressed", "ignore": [],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": inputs}}}


def compressed_scale(weight, args):
    from compressed_tensors.quantization.utils import calculate_qparams
    if args.group_size and args.group_size > 0:
        grouped = weight.view(weight.shape[0], -1, args.group_size)
        return calculate_qparams(grouped.amin(2), grouped.amax(2), args)
    return calculate_qparams(weight.amin(1, keepdim=True), weight.amax(1, keepdim=True), args)


def compressed_cases(weight):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    specs = [("pack-quantized", {"num_bits": bits, "type": "int", "symmetric": symmetric, "strategy": "group",
                                 "group_size": 32}) for bits, symmetric in ((4, True), (4, False), (3, False), (8, True))]
    specs += [("int-quantized", {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}),
              ("float-quantized", {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"})]
    for name, settings in specs:
        args = QuantizationArgs(**settings)
        scale, zero = compressed_scale(weight, args)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        state = {"weight": weight.clone(), "weight_scale": scale}
        if not args.symmetric:
            state["weight_zero_point"] = zero.to(torch.int8)
        compressor = BaseCompressor.get_value_from_registry(name)
        packed = compressor.compress(dict(state), scheme)
        values = compressor.decompress(dict(packed), scheme)["weight"]
        label = f"{name}_{args.num_bits}bit" + ("" if args.symmetric else "_asym")
        yield label, case(compressed_config(name, settings), packed, values)
    args = QuantizationArgs(num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    largest = weight.abs().max()
    global_scale = (448 * 6 / largest).reshape(1)
    scale = (global_scale * weight.view(weight.shape[0], -1, 16).abs().amax(2) / 6).to(torch.float8_e4m3fn).float()
    compressor = BaseCompressor.get_value_from_registry("nvfp4-pack-quantized")
    packed = compressor.compress({"weight": weight.clone(), "weight_scale": scale, "weight_global_scale": global_scale},
                                 scheme)
    values = compressor.decompress(dict(packed), scheme)["weight"]
    yield "nvfp4", case(compressed_config("nvfp4-pack-quantized", {
        "num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}), packed, values,
        rounding=str(values.dtype)[6:])


def pruned(weight):
    quads = weight.view(-1, 4)
    keep = torch.zeros_like(quads).scatter_(1, quads.abs().topk(2, dim=1).indices, 1.0)
    return (quads * keep).view_as(weight)


def old_compressed_cases(weight, folder):
    sys.path.insert(0, folder)
    from compressed_tensors.compressors.sparse_compressors.sparse_24_bitmask import Sparse24BitMaskTensor
    from compressed_tensors.compressors.sparse_compressors.sparse_bitmask import BitmaskTensor
    from compressed_tensors.compressors.quantized_compressors.pack_quantized import pack_to_int32
    sparse = pruned(weight).bfloat16()
    base = {"quant_method": "compressed-tensors", "format": "dense"}
    for name, made in (("sparse-24-bitmask", Sparse24BitMaskTensor.from_dense(sparse)),
                       ("sparse-bitmask", BitmaskTensor.from_dense(sparse))):
        parts = {key: torch.tensor(value) if isinstance(value, list) else value
                 for key, value in ((k.split(".")[-1], v) for k, v in made.dict(name_prefix="x", device="cpu").items())}
        yield name, case({**base, "sparsity_config": {"format": name}}, parts, made.decompress())
    scale, zero, values = grid(weight, 3, 32, True)
    codes = (values.view(weight.shape[0], -1, 32) / scale[:, :, None]).round().view_as(weight).to(torch.int8)
    parts = {"weight_packed": pack_to_int32(codes, 3), "weight_scale": scale, "weight_shape": torch.tensor(weight.shape)}
    yield "pack-quantized_3bit_whole_words", case(compressed_config("pack-quantized", {
        "num_bits": 3, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}), parts, values)
    from compressed_tensors.compressors.sparse_quantized_compressors import marlin_24
    from compressed_tensors.quantization import QuantizationArgs
    wide = pruned(Generator(5).matrix(64, 64))
    for bits in (4, 8):
        args = QuantizationArgs(num_bits=bits, type="int", symmetric=True, strategy="channel")
        scale = (wide.abs().amax(1, keepdim=True) / (2 ** (bits - 1))).half()
        codes = (wide / scale.float()).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        kept, meta = marlin_24.compress_weight_24(codes.half())
        shifted = kept.t().contiguous() + 2 ** (bits - 1)
        parts = {"weight_packed": marlin_24.pack_weight_24(shifted, args),
                 "scale_packed": marlin_24.pack_scales_24(scale.t().contiguous(), args, shifted.shape),
                 "meta": meta.resize_(meta.shape[1] // 2, meta.shape[0] * 2)}
        yield f"marlin-24_{bits}bit", case(compressed_config("marlin-24", {
            "num_bits": bits, "type": "int", "symmetric": True, "strategy": "channel"}), parts, codes * scale.float())


MAKERS = {"gptqmodel": gptq_cases, "autoawq": awq_cases, "bitsandbytes": bitsandbytes_cases, "hqq": hqq_cases,
          "compressed-tensors": compressed_cases, "compressed-tensors-0.12.2": old_compressed_cases}


def main():
    golden = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name, made in MAKERS[sys.argv[1]](Generator(77).matrix(32, 64), *sys.argv[2:]):
        golden[name] = made
        print(name, len(json.dumps(made)), flush=True)
    PATH.write_text(json.dumps(golden, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    print(PATH, PATH.stat().st_size)


main()
