"""Perplexity of SmolLM2-135M-Instruct after the authors' own code compressed it, float32 on the CPU: method_perplexity.json.

Repositories are read from where they were unpacked, FOLDER/OWNER+NAME each (COMMITS names the commit that was read); nothing of
them is kept here. Wherever their main loop runs on its own it runs as published (what is called stands in each function
below); what stands in for the rest is: their loaders give the ids of method_perplexity_ids.json, calls to CUDA stay on the
CPU, a decoder layer is given its rotary table and answers with a tuple (their transformers did both elsewhere), and
torch.topk takes the first of equals, where the library leaves it open. bitsandbytes and hqq are packages: install them beside
the environment of `make peers` (TORCHDYNAMO_DISABLE=1).
    python tests/golden/make_method_perplexity.py ids                       (draws the ids anew: all figures follow)
    python tests/golden/make_method_perplexity.py run FOLDER [NAME ...]     (some rows; default: all)
    python tests/golden/make_method_perplexity.py again HOW FOLDER NAME ... (the same but for float32's rounding: AGAIN)
"""
import contextlib
import functools
import hashlib
import importlib
import io
import itertools
import json
import struct
import sys
import tempfile
import types
from pathlib import Path

import torch

from smollm2_reference import load_model, load_tokenizer

HERE = Path(__file__).parent
IDS, FIGURES = HERE / "method_perplexity_ids.json", HERE / "method_perplexity.json"
SAMPLES, LENGTH, WINDOWS, WINDOW = 16, 512, 8, 512
COMMITS = {
    "locuslab/wanda": "8e8fc87b4a2f9955baa7e76e64d5fce7fa8724a6",
    "IST-DASLab/sparsegpt": "147d2159dc4f3e9f73e47b32c04d7b3708f44436",
    "IST-DASLab/gptq": "2d65066eeb06a5c9ff5184d8cebdf33662c67faf",
    "VILA-Lab/GBLM-Pruner": "9e8aea22e37c15f083f4a85fb7498b1aed75f30e",
    "biomedical-cybernetics/Relative-importance-and-activation-pruning": "7bc55b06924659ea977f7804b773ce3ef0d55c2f",
    "zyxxmu/DSnoT": "4c029dfa66cae3dba7f4a77c78a524e272fc638c",
    "luuyin/OWL": "dddb7a4bffe27c73e4c8cf692b3a5e36401532c8",
    "mit-han-lab/llm-awq": "d6e797a42b9ef7778de8ee2352116e0f48a78d61",
    "mit-han-lab/smoothquant": "c61476d728e42ae0d8a35e7e78494edcac3237b5",
}
CPU = torch.device("cpu")


# The ids.

def draw_ids():
    """The repository's own prose, decisions first and datasheets last: calibration from the beginning, windows from the end."""
    root = HERE.parents[1]
    pages = [*sorted(root.glob("docs/adr/*.md")), *sorted(root.glob("docs/tasks/*.md")), *sorted(root.glob("packs/*/DATASHEET.md"))]
    text = "\n".join(page.read_text() for page in pages)
    ids = load_tokenizer()(text)["input_ids"]
    assert len(ids) >= SAMPLES * LENGTH + WINDOWS * WINDOW, len(ids)
    last = ids[-WINDOWS * WINDOW:]
    parts = {"calibration": [ids[i * LENGTH:(i + 1) * LENGTH] for i in range(SAMPLES)],
             "windows": [last[i * WINDOW:(i + 1) * WINDOW] for i in range(WINDOWS)]}
    rows = ",\n".join(f'"{name}": [\n' + ",\n".join(map(json.dumps, part)) + "]" for name, part in parts.items())
    IDS.write_text("{" + rows + "}\n")


def hash_of(sequences):
    """As CalibrationSet::ids_hash: the length of each sequence in 8 bytes, its ids in 4 each."""
    digest = hashlib.sha256()
    for ids in sequences:
        digest.update(struct.pack(f"<q{len(ids)}i", len(ids), *ids))
    return digest.hexdigest()


# What stands in for CUDA, for loaders, and for an older transformers.

def smallest_first(values, k, dim=-1, largest=True, sorted=True, plain=torch.topk):
    """torch.topk as the authors of pruning methods use it, of equals the lower index."""
    if largest:
        return plain(values, k, dim, largest, sorted)
    ascending, order = torch.sort(values, dim=dim, stable=True)
    return ascending.narrow(dim, 0, k), order.narrow(dim, 0, k)


def stay_on_the_cpu():
    torch.topk = smallest_first
    torch.cuda.synchronize = lambda *_: None
    torch.nn.Module.cuda = torch.nn.Module.cpu = lambda self, *_: self
    torch.Tensor.cuda = lambda self, *_: self
    torch.Tensor.cpu = lambda self: self.detach().clone()  # a copy, as from a GPU
    importlib.import_module("transformers").AdamW = torch.optim.AdamW  # imported by name, not used
    for name in ("matplotlib", "matplotlib.pyplot", "awq_inference_engine"):
        sys.modules.setdefault(name, types.ModuleType(name))


def dense_model():
    """With layers as the authors' loops call them: layer(hidden, attention_mask=..., position_ids=...)[0]."""
    model = load_model()
    model.seqlen, model.hf_device_map, model.config.use_cache = LENGTH, {}, False

    def as_older(layer):
        plain = layer.forward

        def forward(hidden, attention_mask=None, position_embeddings=None, **_):
            if position_embeddings is None:
                position_embeddings = model.model.rotary_emb(hidden, torch.arange(hidden.shape[1])[None])
            return (plain(hidden, attention_mask=attention_mask, position_embeddings=position_embeddings),)
        layer.forward, layer.as_today = forward, plain

    for layer in model.model.layers:
        as_older(layer)
    return model


def as_today(model):
    for layer in model.model.layers:
        if "as_today" in vars(layer):
            layer.forward = layer.as_today
    return model


def linears(model):
    return [module for name, module in model.model.layers.named_modules() if isinstance(module, torch.nn.Linear)]


class Source:
    """The unpacked repositories, and the ids."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ids = json.loads(IDS.read_text())
        self.calibration = [torch.tensor([row]) for row in self.ids["calibration"]]
        self.loader = [(row, row.clone()) for row in self.calibration]

    def module(self, repository, name):
        """The authors' module `name`; neighbours of an earlier repository of the same name are forgotten."""
        assert repository in COMMITS
        for known in [m for m in sys.modules if m.split(".")[0] in ("lib", "quant", "gptq", "sparsegpt", "modelutils", "llama")]:
            del sys.modules[known]
        sys.path.insert(0, str(self.folder / repository.replace("/", "+")))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.pop(0)

    def lib(self, repository, name="lib.prune"):
        module = self.module(repository, name)
        module.get_loaders = lambda *_, **__: (self.loader, None)
        return module


def settings(**changed):
    return types.SimpleNamespace(**({"nsamples": SAMPLES, "seed": 0, "sparsity_ratio": 0.5, "use_variant": False,
                                     "model": "llama"} | changed))


# The loop over blocks without what one block carries to the next.

class States(torch.nn.Module):
    """In the place of the embedding: what enters a block of the dense model, for each sequence of ids."""

    def __init__(self, of_ids):
        super().__init__()
        self.of_ids = of_ids

    def forward(self, ids):
        return self.of_ids[tuple(ids[0].tolist())].clone()


@functools.cache
@torch.no_grad()
def inputs_of_blocks(source):
    model = load_model()
    inputs = [{} for _ in model.model.layers]
    key = None

    def keep(states):
        def hook(_, args, kwargs):
            states[key] = args[0] if args else kwargs["hidden_states"]
        return hook

    for layer, states in zip(model.model.layers, inputs):
        layer.register_forward_pre_hook(keep(states), with_kwargs=True)
    for ids in source.calibration:
        key = tuple(ids[0].tolist())
        model(ids)
    return inputs


def block_by_block(compress):
    """The authors' function on models of one block: each is compressed as if all blocks before it were dense."""
    def compress_all(source, model, **arguments):
        layers, embedding = list(model.model.layers), model.model.embed_tokens
        for layer, states in zip(layers, inputs_of_blocks(source)):
            model.model.layers, model.model.embed_tokens = torch.nn.ModuleList([layer]), States(states)
            compress(source, model, **arguments)
        model.model.layers, model.model.embed_tokens = torch.nn.ModuleList(layers), embedding
    return compress_all


# One function a method: what of the authors' it calls.

def magnitude(source, model, n=0, m=0):
    source.lib("locuslab/wanda").prune_magnitude(settings(), model, None, CPU, n, m)


def wanda(source, model, n=0, m=0):
    source.lib("locuslab/wanda").prune_wanda(settings(), model, None, CPU, n, m)


def sparsegpt(source, model, n=0, m=0):
    module = source.module("IST-DASLab/sparsegpt", "llama")
    module.args = settings(sparsity=0.5, prunen=n, prunem=m, percdamp=0.01, blocksize=128, true_sequential=False, wbits=16,
                           minlayer=-1, maxlayer=1000, prune_only="", invert=False)
    module.llama_sequential(model, source.loader, CPU)


def gradient_norms(source, model):
    """gradient_computation.py's class in the loop of its program: the 2-norms over samples, as wide as the model."""
    gradients = source.module("VILA-Lab/GBLM-Pruner", "gradient_computation")
    gradients.tqdm = lambda steps, **_: steps
    update = gradients.gradient_computation(model, 100)
    as_today(model)
    for number, (ids, labels) in enumerate(source.loader, 1):
        model(input_ids=ids, labels=labels).loss.backward()
        update.update_gradient(model, number)
        model.zero_grad()
    return {name: torch.sqrt(g) for name, g in update.gradients_l2.items()}


def prune_gblm(source, model, norms):
    with tempfile.TemporaryDirectory() as folder:
        torch.save(norms, f"{folder}/norms.pth")
        lib = source.lib("VILA-Lab/GBLM-Pruner")
        lib.prune_gblm(settings(gradient_path=f"{folder}/norms.pth", gradient_inv=False), model, None, CPU)


def gblm(source, model):
    norms, older = gradient_norms(source, model), dense_model()
    prune_gblm(source, older, norms)
    return older


def gblm_block_by_block(source, model):
    """With the gradients of the whole model, whose names count the blocks."""
    norms, older, block = gradient_norms(source, model), dense_model(), itertools.count()

    def prune(source, one_block):
        ending = f"_layer_{next(block)}"
        prune_gblm(source, one_block, {n.removesuffix(ending) + "_layer_0": g for n, g in norms.items() if n.endswith(ending)})
    block_by_block(prune)(source, older)
    return older


def ria(source, model):
    source.lib("biomedical-cybernetics/Relative-importance-and-activation-pruning").prune_ria(
        settings(calib_dataset="c4", seqlen=LENGTH, prune_method="ria", a=0.5, per_outneuron=True, reconstruction=False,
                 gptq=False), model, None, CPU)


def dsnot(source, model):
    source.lib("zyxxmu/DSnoT").prune_DSnoT(
        settings(initial_method="wanda", max_cycle_time=50, update_threshold=0.1, pow_of_var_regrowing=1,
                 pow_of_var_pruning=1, skip_layer="no_skip", skip_sub_layer="no_skip", without_same_sign=True,
                 without_DSnoT=False, get_time_overhead=False), model, None, CPU)


def owl(source, model):
    source.lib("luuyin/OWL", "lib.prune_all").prune_wanda_outlier(settings(Lamda=0.08, Hyper_m=5.0), model, None, CPU)


def rtn(source, model, bits, group=-1):
    """quant.Quantizer and quantize, as llama_eval does for --nearest; with groups, group after group."""
    quant = source.module("IST-DASLab/gptq", "quant")
    for linear in linears(model):
        weight, width = linear.weight.data, linear.in_features
        step = width if group == -1 else group
        for first in range(0, width, step):
            part = weight[:, first:first + step].clone()
            quantizer = quant.Quantizer()
            quantizer.configure(bits, perchannel=True, sym=False, mse=False)
            quantizer.find_params(part, weight=True)
            weight[:, first:first + step] = quant.quantize(part, quantizer.scale, quantizer.zero, quantizer.maxq)


def gptq(source, model, bits, group=-1):
    module = source.module("IST-DASLab/gptq", "llama")
    module.args = settings(wbits=bits, sym=False, percdamp=0.01, groupsize=group, act_order=False, static_groups=False,
                           true_sequential=False)
    module.llama_sequential(model, source.loader, CPU)


def awq(source, model, bits, group, clip):
    """run_awq, then apply_awq and pseudo_quantize_model_weight on the dense model, as awq.entry."""
    root = source.folder / "mit-han-lab+llm-awq"
    for name in ("awq", "awq.quantize", "awq.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(root / name.replace(".", "/"))]
        sys.modules[name] = package
    pre_quant = importlib.import_module("awq.quantize.pre_quant")
    quantizer = importlib.import_module("awq.quantize.quantizer")
    importlib.import_module("awq.utils.calib_data").get_calib_dataset = lambda **_: source.calibration
    pre_quant.move_embed = lambda *_: None
    grid = {"zero_point": True, "q_group_size": group}
    found = pre_quant.run_awq(model, None, w_bit=bits, q_config=grid, n_samples=SAMPLES, seqlen=LENGTH, mse_range=clip)
    dense = dense_model()
    pre_quant.apply_awq(dense, found)
    quantizer.pseudo_quantize_model_weight(dense, w_bit=bits, q_config=grid)
    return dense


def smoothquant(source, model):
    """get_act_scales, smooth_lm and quantize_model; products inside the attention stay in float."""
    as_today(model)
    calibration = source.module("mit-han-lab/smoothquant", "smoothquant.calibration")
    smooth = source.module("mit-han-lab/smoothquant", "smoothquant.smooth")
    fake_quant = source.module("mit-han-lab/smoothquant", "smoothquant.fake_quant")
    rows = [{"text": row} for row in source.calibration]
    calibration.load_dataset = lambda *_, **__: types.SimpleNamespace(shuffle=lambda seed: rows)
    scales = calibration.get_act_scales(model, lambda row, **_: types.SimpleNamespace(input_ids=row), "", SAMPLES, LENGTH)
    smooth.smooth_lm(model, scales, 0.5)
    fake_quant.quantize_model(model, weight_quant="per_channel", act_quant="per_token", quantize_bmm_input=False)


def four_bit(_, model, kind, nested=False):
    functional = importlib.import_module("bitsandbytes.functional")
    for linear in linears(model):
        packed, state = functional.quantize_4bit(linear.weight.data, blocksize=64, quant_type=kind, compress_statistics=nested)
        linear.weight.data = functional.dequantize_4bit(packed, state)


class EightBit(torch.nn.Module):
    """bitsandbytes' kernels in the order of its MatMul8bitLt, which casts weights and inputs to float16 first: here float32."""

    def __init__(self, linear):
        super().__init__()
        self.codes, self.scales, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(linear.weight.data, 0.0)
        self.register_buffer("weight", self.codes)

    def forward(self, x):
        rows, ops = x.reshape(-1, x.shape[-1]), torch.ops.bitsandbytes
        codes, scales, outliers = ops.int8_vectorwise_quant(rows.clone(), 6.0)
        y = ops.int8_mixed_scaled_mm(rows, codes, self.codes, scales, self.scales, outliers, None)[0]
        return y.view(*x.shape[:-1], -1)


def llm_int8(_, model):
    importlib.import_module("bitsandbytes")
    for block in model.model.layers:
        for name, linear in [(n, m) for n, m in block.named_modules() if isinstance(m, torch.nn.Linear)]:
            parent, _, leaf = name.rpartition(".")
            setattr(block.get_submodule(parent), leaf, EightBit(linear))


def hqq(_, model, bits, group):
    """Quantizer.quantize and dequantize at its defaults for a linear, groups along a row."""
    quantizer = importlib.import_module("hqq.core.quantize").Quantizer
    for linear in linears(model):
        codes, meta = quantizer.quantize(linear.weight.data, nbits=bits, group_size=group, optimize=True, round_zero=bits == 4,
                                         axis=1, bitpack=False, compute_dtype=torch.float32, device="cpu")
        linear.weight.data = quantizer.dequantize(codes, meta | {"compute_dtype": torch.float32})


WANDA, SPARSEGPT, GPTQ, AWQ = "locuslab/wanda", "IST-DASLab/sparsegpt", "IST-DASLab/gptq", "mit-han-lab/llm-awq"
# name: (repository or package, function, its arguments, the same in words of assay's settings)
ROWS = {
    "dense": ("transformers", lambda *_: None, {}, {"method": "dense"}),
    "magnitude 50 %": (WANDA, magnitude, {}, {"method": "magnitude", "sparsity": 0.5}),
    "magnitude 2:4": (WANDA, magnitude, {"n": 2, "m": 4}, {"method": "magnitude", "pattern": "2:4"}),
    "wanda 50 %": (WANDA, wanda, {}, {"method": "wanda", "sparsity": 0.5}),
    "wanda 2:4": (WANDA, wanda, {"n": 2, "m": 4}, {"method": "wanda", "pattern": "2:4"}),
    "sparsegpt 50 %": (SPARSEGPT, sparsegpt, {}, {"method": "sparsegpt", "sparsity": 0.5}),
    "sparsegpt 2:4": (SPARSEGPT, sparsegpt, {"n": 2, "m": 4}, {"method": "sparsegpt", "pattern": "2:4"}),
    "gblm 50 %": ("VILA-Lab/GBLM-Pruner", gblm, {}, {"method": "gblm", "sparsity": 0.5, "parity": ["sample_count"]}),
    "ria 50 %": ("biomedical-cybernetics/Relative-importance-and-activation-pruning", ria, {},
                 {"method": "ria", "sparsity": 0.5}),
    "dsnot 50 %": ("zyxxmu/DSnoT", dsnot, {}, {"method": "dsnot", "sparsity": 0.5, "parity": ["any_sign", "past_end"]}),
    "owl 50 % by wanda": ("luuyin/OWL", owl, {}, {"method": "owl", "sparsity": 0.5}),
    "rtn 4 bit": (GPTQ, rtn, {"bits": 4}, {"method": "rtn", "bits": 4, "group_size": -1}),
    "rtn 3 bit g128": (GPTQ, rtn, {"bits": 3, "group": 128}, {"method": "rtn", "bits": 3, "group_size": 128}),
    "gptq 4 bit": (GPTQ, gptq, {"bits": 4}, {"method": "gptq", "bits": 4, "group_size": -1}),
    "gptq 4 bit g128": (GPTQ, gptq, {"bits": 4, "group": 128}, {"method": "gptq", "bits": 4, "group_size": 128}),
    "gptq 3 bit g128": (GPTQ, gptq, {"bits": 3, "group": 128}, {"method": "gptq", "bits": 3, "group_size": 128}),
    "awq 4 bit g64, scales alone": (AWQ, awq, {"bits": 4, "group": 64, "clip": False},
                                    {"method": "awq", "bits": 4, "group_size": 64, "clip": False}),
    "awq 4 bit g64": (AWQ, awq, {"bits": 4, "group": 64, "clip": True}, {"method": "awq", "bits": 4, "group_size": 64}),
    "smoothquant W8A8": ("mit-han-lab/smoothquant", smoothquant, {}, {"method": "smoothquant", "alpha": 0.5}),
    "llm_int8": ("bitsandbytes", llm_int8, {}, {"method": "llm_int8", "threshold": 6, "outliers": "batch"}),
    "nf4": ("bitsandbytes", four_bit, {"kind": "nf4"}, {"method": "nf4", "block_size": 64}),
    "nf4 double quant": ("bitsandbytes", four_bit, {"kind": "nf4", "nested": True},
                         {"method": "nf4", "block_size": 64, "double_quant": True}),
    "fp4": ("bitsandbytes", four_bit, {"kind": "fp4"}, {"method": "fp4", "block_size": 64}),
    "hqq 4 bit g64": ("hqq", hqq, {"bits": 4, "group": 64},
                      {"method": "hqq", "bits": 4, "group_size": 64, "kappa": 1, "parity": ["last_zero"]}),
}


# Methods that carry float32's rounding from block to block so far that a second run differs.
CARRYING = ("wanda 50 %", "wanda 2:4", "sparsegpt 50 %", "sparsegpt 2:4", "ria 50 %", "dsnot 50 %", "gptq 4 bit", "gptq 4 bit g128",
            "gptq 3 bit g128")
BLOCK_BY_BLOCK = ", block by block"
ROWS |= {name + BLOCK_BY_BLOCK: (origin, block_by_block(function), given, words)
         for name in CARRYING for origin, function, given, words in [ROWS[name]]}
ROWS["gblm 50 %" + BLOCK_BY_BLOCK] = ("VILA-Lab/GBLM-Pruner", gblm_block_by_block, {}, ROWS["gblm 50 %"][3])

# Runs that are the same in exact arithmetic: calibration sequences in the other order, embeddings times a number near 1 (a
# norm follows them).
AGAIN = {"reversed": 1, "larger": 1 + 2**-20, "smaller": 1 - 2**-20, "reversed and larger": 1 + 2**-20}


@torch.no_grad()
def perplexity(model, windows):
    """All windows in one call, so that columns of outliers are those of one batch."""
    ids = torch.tensor(windows)
    log_probabilities = as_today(model)(ids[:, :-1]).logits.log_softmax(-1)
    return float(log_probabilities.gather(2, ids[:, 1:, None]).double().mean().neg().exp())


def num_zeros(model):
    """Of all weights of linears in blocks, or of their 8-bit codes."""
    weights = [getattr(module, "weight", None) for module in model.model.layers.modules()]
    return sum(int((w == 0).sum()) for w in weights if w is not None and w.dim() == 2)


def version_of(origin):
    return COMMITS.get(origin) or importlib.import_module(origin).__version__


def main():
    if sys.argv[1:] == ["ids"]:
        return draw_ids()
    how = sys.argv[2] if sys.argv[1:2] == ["again"] else None
    assert how in AGAIN if how else len(sys.argv) > 2 and sys.argv[1] == "run", __doc__
    torch.set_num_threads(1)
    stay_on_the_cpu()
    folder, *names = sys.argv[3 if how else 2:]
    source, names = Source(folder), names or list(ROWS)
    if how and how.startswith("reversed"):
        source.calibration.reverse(), source.loader.reverse()
    hashes = {"calibration_hash": hash_of(source.ids["calibration"]), "windows_hash": hash_of(source.ids["windows"])}
    for name in names:
        origin, compress, arguments, ours = ROWS[name]
        model = dense_model()
        if how:
            model.model.embed_tokens.weight.data *= AGAIN[how]
        with contextlib.redirect_stdout(io.StringIO()):
            model = compress(source, model, **arguments) or model
        result = perplexity(model, source.ids["windows"])
        print(name, result, flush=True)
        if how:
            keep(name, {"again": {how: result}}, hashes)
        else:
            keep(name, {"name": name, "method": ours, "block_by_block": name.endswith(BLOCK_BY_BLOCK), "origin": origin,
                        "version": version_of(origin), "perplexity": result, "zeros": num_zeros(model)}, hashes)


def keep(name, found, hashes):
    """In the file of figures, beside the rows, and the further figures of a row, of the same ids."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    rows = {r["name"]: r for r in known.get("rows", [])} if hashes.items() <= known.items() else {}
    again = rows.get(name, {}).get("again", {}) | found.get("again", {})
    rows[name] = rows.get(name, {}) | found | ({"again": again} if again else {})
    heads = hashes | {"torch": torch.__version__, "transformers": version_of("transformers")}
    done = ",\n  ".join(json.dumps(rows[name]) for name in ROWS if name in rows)
    FIGURES.write_text(json.dumps(heads, indent=1)[:-2] + f',\n "rows": [\n  {done}]}}\n')


main()
