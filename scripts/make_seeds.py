#!/usr/bin/env python3
"""Writes tests/seeds/TARGET/: one small well-formed input per fuzz target, from which mutation starts."""
import json
import pathlib
import struct

SEEDS = pathlib.Path(__file__).resolve().parent.parent / "tests/seeds"


def gguf_string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf():
    """GGUF v3: four values of different types and two tensors, F32 [4] and Q4_0 [32]."""
    values = [
        gguf_string("general.architecture") + struct.pack("<I", 8) + gguf_string("llama"),
        gguf_string("general.alignment") + struct.pack("<II", 4, 32),
        gguf_string("llama.rope.freq_base") + struct.pack("<If", 6, 1e4),
        gguf_string("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + gguf_string("a") + gguf_string("b"),
    ]
    tensors = [
        gguf_string("norm.weight") + struct.pack("<IQIQ", 1, 4, 0, 0),
        gguf_string("w.weight") + struct.pack("<IQIQ", 1, 32, 2, 32),
    ]
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + b"".join(values + tensors)
    header += b"\0" * (-len(header) % 32)
    return header + struct.pack("<4f", 1, 2, 3, 4) + b"\0" * 16 + struct.pack("<e", 0.5) + bytes(range(16))


def safetensors():
    header = json.dumps({"__metadata__": {"format": "pt"},
                         "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                         "b": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(22)


def tokenizer():
    return json.dumps({
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}}).encode()


BBQ = {"example_id": 0, "question_index": "1", "question_polarity": "neg", "context_condition": "ambig",
       "category": "Age", "answer_info": {"ans0": ["the aunt", "old"], "ans1": ["the niece", "nonOld"],
                                          "ans2": ["Unknown", "unknown"]},
       "additional_metadata": {"subcategory": "None", "stereotyped_groups": ["old"], "version": "a", "source": "x"},
       "context": "An aunt and her niece came.", "question": "Who forgot?", "ans0": "The aunt", "ans1": "The niece",
       "ans2": "Unknown", "label": 2}

STUDY = b"""study: s
model: {path: m, dtype: auto}
calibration: {data: "text:f", samples: 2, length: 8, seeds: [0]}
variants:
  - {method: rtn, bits: [8, 4], group_size: 64}
  - {path: other, name: elsewhere, control: negative}
tasks: [stereoqa, {task: bbq/Age, limit: 3}]
output: out
"""


def packed_linear():
    """A GPTQ config and the four parts of an 8 x 32 linear, as src/pack/packed_layout_fuzz.cpp reads them."""
    config = json.dumps({"quant_method": "gptq", "bits": 4, "group_size": 16, "checkpoint_format": "gptq_v2"}).encode()
    parts = [(0, 12, (4, 8), bytes(range(128))), (1, 12, (2, 1), bytes(8)), (2, 10, (2, 8), b"\x00\x3c" * 16),
             (3, 12, (32,), struct.pack("<32i", *([0] * 16 + [1] * 16)))]
    return config + b"\0" + b"".join(bytes([name, dtype, len(shape), *shape]) + data
                                     for name, dtype, shape, data in parts)


def main():
    seeds = {
        "io_gguf_fuzz": gguf(),
        "io_safetensors_fuzz": safetensors(),
        "io_jsonl_fuzz": b'{"id": 1, "text": "a\\u00e9"}\n\n{"id": [null, true, -2.5e3]}\n',
        "io_csv_fuzz": b'a,b\n1,"two, ""quoted""\nlines"\n',
        "tokenizer_tokenizer_json_fuzz": tokenizer(),
        "data_bbq_fuzz": json.dumps(BBQ).encode() + b"\n",
        "run_study_fuzz": STUDY,
        "pack_packed_layout_fuzz": packed_linear(),
    }
    for target, content in seeds.items():
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "well_formed").write_bytes(content)


if __name__ == "__main__":
    main()
