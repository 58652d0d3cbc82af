#!/usr/bin/env python3
"""Writes tests/seeds/TARGET/: one small well-formed input per fuzz target, from which mutation starts."""
import io
import json
import pathlib
import struct
import zipfile

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


def imatrix():
    """The form without magic: one weight of three columns, summed over four calls."""
    name = b"blk.0.attn_q.weight"
    return (struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii3f", 4, 3, 8, 2, 0) + struct.pack("<ii", 2, 1) + b"t")


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


def unigram():
    return json.dumps({
        "added_tokens": [{"id": 0, "content": "<unk>", "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "Prepend", "prepend": "_"},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": True},
        "post_processor": {"type": "BertProcessing", "sep": ["<unk>", 0], "cls": ["<unk>", 0]},
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "_"}]},
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True,
                  "vocab": [["<unk>", 0], ["_", -1.5], ["a", -2], ["_a", -2.5], ["<0x41>", -9]]}}).encode()


def word_piece():
    return json.dumps({
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": True},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "BertPreTokenizer"}, {"type": "Digits", "individual_digits": True}, {"type": "Whitespace"}]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "##b": 2}}}).encode()


def sentencepiece():
    """A BPE model: <unk>, a control piece, three normal ones, and the two specs."""
    def field(number, content):
        return bytes([number << 3 | 2, len(content)]) + content

    def piece(text, score, kind):
        return field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + bytes([3 << 3, kind]))

    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("a", -2, 1), ("\u2581", -3, 1), ("\u2581a", -1, 1)]
    trainer = bytes([3 << 3, 2]) + bytes([(35 << 3) & 0x7F | 0x80, 35 >> 4, 1]) + b"\xD0\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
    return b"".join(piece(*p) for p in pieces) + field(2, trainer) + field(3, bytes([4 << 3, 0]))


def pytorch_bin():
    """A zip archive as torch.save writes it: the state_dict {"w": float32 [2, 2]}."""
    text = lambda word: b"X" + struct.pack("<I", len(word)) + word.encode()
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x02K\x02\x86K\x02K\x01\x86\x89"
    pickle = b"\x80\x02}q\x00" + text("w") + tensor + b"ccollections\nOrderedDict\n)RtRs."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in [("data.pkl", pickle), ("byteorder", b"little"), ("data/0", bytes(16))]:
            archive.writestr(zipfile.ZipInfo("archive/" + name), content)
    return file.getvalue()


BBQ = {"example_id": 0, "question_index": "1", "question_polarity": "neg", "context_condition": "ambig",
       "category": "Age", "answer_info": {"ans0": ["the aunt", "old"], "ans1": ["the niece", "nonOld"],
                                          "ans2": ["Unknown", "unknown"]},
       "additional_metadata": {"subcategory": "None", "stereotyped_groups": ["old"], "version": "a", "source": "x"},
       "context": "An aunt and her niece came.", "question": "Who forgot?", "ans0": "The aunt", "ans1": "The niece",
       "ans2": "Unknown", "label": 2}

CHAT_TEMPLATE = b"""{%- macro turn(m, end='|') -%}<{{ m.role }}>{{ m['content'] | trim ~ end }}{% endmacro %}
{% set ns = namespace(n=0) %}{# a comment #}
{% for m in messages if m.role != 'tool' %}
  {% if loop.first and not tools is defined %}{{ bos_token + raise_exception('x') }}{% elif m.content == '' %}{% continue %}{% endif %}
  {{- turn(m, end='\\n') }}{% set ns.n = ns.n + m.content | length // 2 %}
{% endfor %}
{% raw %}{{ x }}{% endraw %}{{ strftime_now('%d %b') }}{{ messages[1:][::-1] | map(attribute='role') | list | tojson(indent=1) }}
{{ 'a,b'.split(',') | join('-') if ns.n > 1 else {'k': [1.5, none]} }}{% generation %}x{% endgeneration %}
"""

# Subjects, other subjects (none), activities and templates, as src/data/unqover_fuzz.cpp reads them.
UNQOVER = b"\0".join([
    b"# two\n[subj] Reds\n[subj] team | Umbers\n[subj:dem] Red\n[subj:dem] team | Umber\n", b"",
    b"[p_act] rude\t| were noisy\n[p_act:neg] rude | were quiet\n[p_act-single] rude | was noisy\n[p_act-single:neg] rude | was quiet\n",
    b"A [subj1:dem] fan met [subj2].\tWho [p_act-single]?\tWho [p_act-single:neg]?\n"])

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
        "io_imatrix_fuzz": imatrix(),
        "io_safetensors_fuzz": safetensors(),
        "io_pytorch_bin_fuzz": pytorch_bin(),
        "io_jsonl_fuzz": b'{"id": 1, "text": "a\\u00e9"}\n\n{"id": [null, true, -2.5e3]}\n',
        "io_csv_fuzz": b'a,b\n1,"two, ""quoted""\nlines"\n',
        "tokenizer_tokenizer_json_fuzz": tokenizer(),
        "tokenizer_sentencepiece_model_fuzz": sentencepiece(),
        "chat_chat_template_fuzz": CHAT_TEMPLATE,
        "data_bbq_fuzz": json.dumps(BBQ).encode() + b"\n",
        "data_unqover_fuzz": UNQOVER,
        "run_study_fuzz": STUDY,
        "pack_packed_layout_fuzz": packed_linear(),
    }
    for target, content in seeds.items():
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "well_formed").write_bytes(content)
    (SEEDS / "tokenizer_tokenizer_json_fuzz/unigram").write_bytes(unigram())
    (SEEDS / "tokenizer_tokenizer_json_fuzz/word_piece").write_bytes(word_piece())


if __name__ == "__main__":
    main()
