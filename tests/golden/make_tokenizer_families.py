#!/usr/bin/env python3
"""Makes tests/golden/tokenizer_families.json with the `tokenizers` library: run with the peers' Python (make peers).

Small tokenizers of every family (tokenizer_families.py), trained on the sentences below, and for each the ids of hostile
texts, special text parsed and not, and what they decode to. One file holds all. The library's trainers break ties at random,
so a new file holds slightly other vocabularies.
"""
import json
import pathlib
import tempfile

from tokenizer_families import FAMILIES, t5
from tokenizers.models import Unigram

SENTENCES = """The quick brown fox jumps over the lazy dog, and the dog didn't care about it at all.
She said that the weather in the north was colder than in the south in 1998 and 2024.
A tokenizer cuts text into tokens; the tokens are numbered, and the numbers are what the model sees.
Das ist ein kurzer Satz über Äpfel, Öl und Straßen. Größere Städte haben breitere Straßen.
Où est la bibliothèque ? L'été dernier, le garçon a mangé du gâteau près de la forêt.
Привет, как дела? Это предложение на русском языке, а это ещё одно предложение.
I'm sure they've seen what we'll do; he'd say it's the best: 12 of 345, or 6,789.01 in total.
def main(args):\n    for i in range(10):\n        print(args[i], "done")\n    return 0
中文的句子也在这里。 日本語の文もあります。
the the the of of and and to to in in is is that that it it was was for for on on""".replace("\\n", "\n").split("\n")

TEXTS = ["", " ", "   ", "\n", "\t\n \r\n\n  x", "Hello, world!", " leading", "trailing  ", "two  spaces   three",
         "the dog's 1234567 tokens", "  a\u2581b \u2581", "\u2581", "e\u0301te\u0301 \u00e9t\u00e9 \u212b \ufb01 \u2460 \uff21",
         "\u0130stanbul STRASSE Stra\u00dfe", "\u4e2d\u6587abc\u65e5\u672c", "\U0001f468\u200d\U0001f469\u200d\U0001f467 x",
         "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "null \0 byte", "\ufffd\u200b\ufeff\u00a0nbsp",
         "<s>text</s> <unk> <pad>", "<|endoftext|> x<|end|> \n y", "[CLS] a [MASK] b[SEP]", "[INST] hi [/INST] there",
         "<0x41><0x0A>", "a" * 40, " " * 40, "\n" * 9, "ab" * 150, "\u0301\u0301a", "\u1100\u1161\u11a8 \uac01",
         "don't DON'T we'll", "...!?,;:--", "x=1;y[2]={3}", "<mask> <|im_end|>\n<tool_call>", "\u00b2\u00b3\u00b9\u00bc 1\u0663",
         "\u03a3\u03a3 \u1e9b\u0323"]


def case_of(tokenizer):
    def ids(text, parse_special):
        tokenizer.encode_special_tokens = not parse_special
        return tokenizer.encode(text, add_special_tokens=False).ids

    def is_text(text):
        """Not for a unigram model that spells a special or byte token: the library finds those in plain text too."""
        names = [token.content for token in tokenizer.get_added_tokens_decoder().values()] + ["<0x"]
        return not isinstance(tokenizer.model, Unigram) or not any(name in text for name in names)

    plain = [ids(text, False) if is_text(text) else None for text in TEXTS]
    special = [ids(text, True) if is_text(text) or "<0x" not in text else None for text in TEXTS]
    return {"tokenizer": json.loads(tokenizer.to_str()), "plain": plain, "special": special,
            "decoded": [one and tokenizer.decode(one, skip_special_tokens=False) for one in special],
            "framed": tokenizer.encode("the dog").ids, "pair": tokenizer.encode("the dog", "a fox").ids,
            "pair_types": tokenizer.encode("the dog", "a fox").type_ids}


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        # code points, and what becomes of them: fi, full-width A, ring, composed e acute, no-break space, a removed one
        rules.write("FB01\t66 69\nFF21\t41\n212B\tC5\n65 301\tE9\nA0\t20\n200B\t\n9\t20\nA\t20\n")
        rules.flush()
        build = dict(FAMILIES, t5=lambda lines, size: t5(lines, size, rules.name))
        sizes = {"t5": 120, "unigram_steps": 140}
        families = {}
        for name, family in build.items():
            byte_level = name in ("opt", "roberta", "bloom", "gpt_neox", "falcon", "llama3", "qwen2")
            families[name] = case_of(family(SENTENCES, sizes.get(name, 330 if byte_level else 220)))
    path = pathlib.Path(__file__).parent / "tokenizer_families.json"
    path.write_text(json.dumps({"texts": TEXTS, "families": families}, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
