"""Tokenizers of every family that assay reads, with the components that the published tokenizer.json files have, trained
here on small text: make_tokenizer_families.py makes golden files of them, tests/peers/tokenizer_families_parity.py compares
20 000 lines. No file of anybody else is needed.
"""
import io
import json

import sentencepiece
import sentencepiece_proto
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)

SPACE = "\u2581"
LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM_SPLIT = r" ?[^(\s|[.,!?…。，、।۔،])]+"


def special(token, **flags):
    return AddedToken(token, special=True, normalized=False, **flags)


def with_model(tokenizer, change):
    """The tokenizer with `change` applied to the model part of its JSON."""
    text = json.loads(tokenizer.to_str())
    change(text["model"])
    return Tokenizer.from_str(json.dumps(text))


def byte_level(lines, size, splits, added, **model):
    """BPE over bytes. `splits`: the pre-tokenizers, ByteLevel among them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits) if len(splits) > 1 else splits[0]
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer = with_model(tokenizer, lambda m: m.update(model))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(added)
    return tokenizer


def template(tokenizer, single, pair=None):
    names = {piece.split(":")[0] for piece in single.split() + (pair or "").split() if not piece.startswith("$")}
    return processors.TemplateProcessing(single=single, pair=pair or single + " $B:1",
                                         special_tokens=[(name, tokenizer.token_to_id(name)) for name in names])


def sentencepiece_bpe(lines, size, byte_fallback=True):
    """BPE over characters with U+2581 for spaces, <unk> <s> </s> first, then the byte tokens, then the trained ones."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    trained.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, limit_alphabet=120, special_tokens=[],
                                                           show_progress=False))
    model = json.loads(trained.to_str())["model"]
    first = ["<unk>", "<s>", "</s>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else [])
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    model["vocab"] = {token: i for i, token in enumerate(first + tokens)}
    model.update(unk_token="<unk>", fuse_unk=True, byte_fallback=byte_fallback)
    tokenizer = with_model(trained, lambda m: m.update(model))
    tokenizer.pre_tokenizer = None
    tokenizer.add_special_tokens([special(t) for t in first[:3]])
    return tokenizer


def llama_decoder(prefix=True):
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(content=" ", left=1)] if prefix else []))


def opt(lines, size):
    tokenizer = byte_level(lines, size, [pre_tokenizers.ByteLevel(add_prefix_space=False)],
                           [special(t) for t in ("<s>", "<pad>", "</s>", "<unk>")])
    tokenizer.post_processor = template(tokenizer, "</s>:0 $A:0")
    return tokenizer


def roberta(lines, size):
    tokenizer = byte_level(lines, size, [pre_tokenizers.ByteLevel(add_prefix_space=True)],
                           [special("<s>"), special("</s>"), special("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")))
    return tokenizer


def bloom(lines, size):
    return byte_level(lines, size, [pre_tokenizers.Split(Regex(BLOOM_SPLIT), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
                      [special(t) for t in ("<unk>", "<s>", "</s>", "<pad>")])


def gpt_neox(lines, size):
    tokenizer = byte_level(lines, size, [pre_tokenizers.ByteLevel(add_prefix_space=False)],
                           [special("<|endoftext|>"), special("<|padding|>")] +
                           [AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def falcon(lines, size):
    steps = [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
             pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]
    return byte_level(lines, size, steps, [special(">>TITLE<<"), special("<|endoftext|>")])


def llama3(lines, size):
    tokenizer = byte_level(lines, size, [pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"),
                                         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
                           [special("<|begin_of_text|>"), special("<|eot_id|>")], ignore_merges=True)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True),
                                                    template(tokenizer, "<|begin_of_text|>:0 $A:0")])
    return tokenizer


def qwen2(lines, size):
    tokenizer = byte_level(lines, size, [pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
                                         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
                           [special("<|endoftext|>"), special("<|im_end|>"), AddedToken("<tool_call>", normalized=False)])
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def llama2(lines, size):
    tokenizer = sentencepiece_bpe(lines, size)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = llama_decoder()
    tokenizer.post_processor = template(tokenizer, "<s>:0 $A:0", "<s>:0 $A:0 <s>:1 $B:1")
    return tokenizer


def phi3(lines, size):
    tokenizer = llama2(lines, size)
    tokenizer.add_special_tokens([special("<|endoftext|>"), special("<|assistant|>", rstrip=True),
                                  special("<|end|>", rstrip=True)])
    return tokenizer


def mistral(lines, size):
    """Version 3: Metaspace in front of the first stretch alone."""
    tokenizer = sentencepiece_bpe(lines, size)
    tokenizer.add_special_tokens([special("[INST]"), special("[/INST]")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = llama_decoder()
    tokenizer.post_processor = template(tokenizer, "<s>:0 $A:0")
    return tokenizer


def legacy_metaspace(lines, size):
    """As transformers 5 builds Llama's class with legacy=True; no bytes to fall back on."""
    tokenizer = sentencepiece_bpe(lines, size, byte_fallback=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def gemma(lines, size):
    tokenizer = sentencepiece_bpe(lines, size)
    tokenizer.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(1, 5)] +
                         [AddedToken(SPACE * n, normalized=False) for n in range(2, 5)])
    tokenizer.add_special_tokens([special("<start_of_turn>")])
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = llama_decoder(prefix=False)
    tokenizer.post_processor = template(tokenizer, "<s>:0 $A:0")
    return tokenizer


def sentencepiece_model(lines, size, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, vocab_size=size,
                                             hard_vocab_limit=False, num_threads=1, minloglevel=2, **options)
    return model.getvalue()


def unigram_of(model, normalizer):
    """The HF Unigram tokenizer with the pieces of a SentencePiece model."""
    proto = sentencepiece_proto.read(model)
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=proto.trainer.get(40, 0),
                                         byte_fallback=bool(proto.trainer.get(35, 0))))
    tokenizer.normalizer = normalizer(proto.normalizer.get(2, b""))
    tokenizer.add_special_tokens([special(p.piece) for p in proto.pieces if p.type in (2, 3)])
    return tokenizer


def t5(lines, size, rules=None):
    """T5's: a charsmap (SentencePiece's own nmt_nfkc, or the file `rules`), stripped and squeezed spaces."""
    options = {"normalization_rule_tsv": rules} if rules else {}
    tokenizer = unigram_of(
        sentencepiece_model(lines, size, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                            character_coverage=0.98, **options),
        lambda charsmap: normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True),
                                               normalizers.Replace(Regex(" {2,}"), SPACE)]))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = template(tokenizer, "$A:0 </s>:0", "$A:0 </s>:0 $B:0 </s>:0")
    return tokenizer


def unigram_steps(lines, size):
    """Unigram with bytes to fall back on behind normalizers that the others do not have."""
    tokenizer = unigram_of(sentencepiece_model(lines, size + 256, model_type="unigram", byte_fallback=True,
                                               normalization_rule_name="identity", character_coverage=0.98),
                           lambda _: normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.NFD(),
                                                           normalizers.StripAccents(), normalizers.Lowercase(),
                                                           normalizers.NFKD(), normalizers.Strip()]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(),
                                                       pre_tokenizers.Metaspace(prepend_scheme="always")])
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return tokenizer


def bert(lines, size, lowercase=True, **normalizer):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, **normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=size, limit_alphabet=120,
                                                                   special_tokens=names, show_progress=False))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = template(tokenizer, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    return tokenizer


def bert_cased(lines, size):
    tokenizer = bert(lines, size, lowercase=False, strip_accents=False, handle_chinese_chars=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("isolated")])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", tokenizer.token_to_id("[SEP]")),
                                                         ("[CLS]", tokenizer.token_to_id("[CLS]")))
    return tokenizer


FAMILIES = {f.__name__: f for f in (opt, roberta, bloom, gpt_neox, falcon, llama3, qwen2, llama2, phi3, mistral,
                                    legacy_metaspace, gemma, t5, unigram_steps, bert, bert_cased)}
