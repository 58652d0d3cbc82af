#!/usr/bin/env python3
"""Token ids of assay against the `tokenizers` library: 20 000 lines in at least 20 scripts, id by id.

usage: tokenizer_parity.py ASSAY MODEL.gguf [EXPORTED_FOLDER]

Lines: names of the Unicode CLDR (Debian's unicode-cldr-core), texts of the data folder ($ASSAY_DATA, default
../shared/data; more of the others where it is absent), seeded random Unicode. Then families: the same vocabulary under
other pre-tokenizers, normalizers, added tokens. EXPORTED_FOLDER: what assay exported must load in transformers and agree.
Prints counts; exits 1 on the first differing line.
"""
import glob
import html
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import regex
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/golden"))
from make_tokenizer_golden import GGUF_PRE_TOKENIZER_SPLITS, generated_text, ids_of, smollm2_reference  # noqa: E402

CACHE = pathlib.Path(os.environ.get("ASSAY_CACHE", pathlib.Path.home() / ".cache/assay"))
NUM_LINES = 20_000
CLDR = "/usr/share/unicode/cldr/common"
SCRIPTS = """Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Nko Devanagari Bengali Gurmukhi Gujarati Oriya Tamil
Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic Cherokee Canadian_Aboriginal Khmer
Mongolian Hiragana Katakana Bopomofo Han Yi Ol_Chiki Tifinagh Gothic Deseret Cuneiform""".split()


def cldr_lines(rng, count):
    """Names and keywords, several of one file joined to a line."""
    files = sorted(glob.glob(CLDR + "/annotations/*.xml") + glob.glob(CLDR + "/main/*.xml"))
    lines = []
    for file in files:
        text = pathlib.Path(file).read_text(encoding="utf-8")
        names = [html.unescape(name) for name in re.findall(
            r">([^<>\n]+)</(?:annotation|language|script|territory|displayName|exemplarCity)>", text)]
        for _ in range(min(60, len(names) // 4)):
            lines.append(rng.choice([" ", ", ", "\t", ""]).join(rng.sample(names, rng.randint(1, 4))))
    return rng.sample(lines, min(count, len(lines)))


def data_lines(rng, count):
    folder = pathlib.Path(os.environ.get("ASSAY_DATA", ROOT.parent / "shared/data"))
    files = sorted(f for f in folder.rglob("*") if f.suffix in {".txt", ".csv", ".jsonl", ".json", ".raw", ".tsv"})
    lines = []
    for file in files:
        with open(file, encoding="utf-8", errors="replace") as stream:
            head = stream.read(400_000).split("\n")[:-1]
        candidates = [line[:2000] for line in head if line]
        lines += rng.sample(candidates, min(400, len(candidates)))
    return rng.sample(lines, min(count, len(lines)))


def corpus():
    rng = random.Random(3)
    lines = cldr_lines(rng, 8_000)
    counts = {"CLDR": len(lines)}
    data = data_lines(rng, 7_000)
    counts["data folder"] = len(data)
    lines += data
    counts["random"] = NUM_LINES - len(lines)
    lines += [generated_text(rng) for _ in range(NUM_LINES - len(lines))]
    return lines, counts  # the generated ones last


def assay_ids(binary, model, lines, *flags):
    text = "".join(json.dumps({"id": i, "text": line}) + "\n" for i, line in enumerate(lines))
    run = subprocess.run([binary, "tokenize", model, "--input", "-", *flags], input=text.encode(), stdout=subprocess.PIPE,
                         check=True)
    answers = [json.loads(line) for line in run.stdout.decode().split("\n")[:-1]]
    assert [answer["id"] for answer in answers] == list(range(len(lines))), "one answer a line, in order"
    return answers


def compare(name, lines, answers, reference, absent_bytes=b"", parse_special=False):
    for line, answer in zip(lines, answers, strict=True):
        expected = ids_of(reference, line, parse_special)
        if answer["ids"] != expected:
            sys.exit(f"parity: {name}: {line!r}\n  assay      {answer['ids']}\n  tokenizers {expected}")
        dropped = sum(byte in absent_bytes for byte in line.encode())
        if answer.get("dropped_bytes", 0) != dropped:
            sys.exit(f"parity: {name}: {line!r}: dropped {answer.get('dropped_bytes', 0)}, absent are {dropped}")
    print(f"parity: {name}: {len(lines)} lines agree", flush=True)


def families(reference):
    """(name, tokenizer) of the same vocabulary under the rules of other model families."""
    def variant(name, steps, normalizer=None, change=None, added=()):
        json_text = json.loads(reference.to_str())
        if change:
            json_text["model"].update(change)
        tokenizer = Tokenizer.from_str(json.dumps(json_text))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_tokens(list(added))
        return name, tokenizer

    def split(pattern, behavior="isolated", invert=False):
        return pre_tokenizers.Split(Regex(pattern), behavior=behavior, invert=invert)

    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for name in ("llama-bpe", "qwen2", "tekken", "gpt-4o"):
        yield variant(name, [split(GGUF_PRE_TOKENIZER_SPLITS[name]), spelled],
                      normalizers.NFC() if name == "qwen2" else None, {"ignore_merges": name != "qwen2"})
    yield variant("prefix space", [pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    yield variant("unknown token", [pre_tokenizers.ByteLevel(add_prefix_space=False)],
                  change={"unk_token": "<|endoftext|>", "fuse_unk": True})
    yield variant("behaviors", [split(r"[\r\n]", "merged_with_previous"), split(r"\s?\p{L}+", "merged_with_next"),
                                split(r"\s?\p{P}+", "contiguous"), split(r"\d", "removed"), split("[aeiou]", invert=True),
                                spelled])
    yield variant("added tokens", [pre_tokenizers.ByteLevel(add_prefix_space=False)], normalizers.NFC(), added=[
        AddedToken("fooBar", single_word=True), AddedToken("\u00e9", lstrip=True, normalized=True),
        AddedToken("a", rstrip=True, single_word=True), AddedToken("--", lstrip=True, rstrip=True),
        AddedToken("\n", normalized=False), AddedToken("12", special=True), AddedToken("foo", normalized=False)])


def check_exported(binary, folder, lines, reference):
    from transformers import AutoTokenizer
    exported = AutoTokenizer.from_pretrained(folder)
    for line in lines:
        expected = ids_of(reference, line, True)
        ids = exported(line)["input_ids"]
        if ids != expected:
            sys.exit(f"parity: exported: {line!r}\n  transformers {ids}\n  tokenizers   {expected}")
    print(f"parity: exported folder in transformers ({type(exported).__name__}): {len(lines)} lines agree", flush=True)
    compare("exported folder in assay", lines, assay_ids(binary, folder, lines, "--parse_special"), reference,
            ABSENT, parse_special=True)


# Bytes that SmolLM2's vocabulary has no symbol for.
ABSENT = bytes([0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)])


def main():
    binary, model = sys.argv[1:3]
    reference = smollm2_reference(model)
    lines, counts = corpus()
    text = "".join(lines[:-counts["random"]])
    scripts = [name for name in SCRIPTS if len(regex.findall(rf"\p{{Script={name}}}", text)) >= 20]
    print(f"parity: {len(lines)} lines ({counts}); without the random ones {len(scripts)} scripts: {' '.join(scripts)}",
          flush=True)
    assert len(lines) == NUM_LINES and len(scripts) >= 20
    compare("plain", lines, assay_ids(binary, model, lines), reference, ABSENT)
    compare("special text parsed", lines, assay_ids(binary, model, lines, "--parse_special"), reference, ABSENT,
            parse_special=True)
    some = lines[::20] + [generated_text(random.Random(seed)) for seed in range(2_000)]
    if len(sys.argv) > 3:
        check_exported(binary, sys.argv[3], some, reference)
    for name, tokenizer in families(reference):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(folder + "/tokenizer.json")
            for flags, parse in (((), False), (("--parse_special",), True)):
                answers = assay_ids(binary, folder, some, *flags)
                for answer in answers:
                    answer.pop("dropped_bytes", None)  # removed and normalized text has other bytes
                compare(name, some, answers, tokenizer, parse_special=parse)


if __name__ == "__main__":
    main()
