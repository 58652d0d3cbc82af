"""What the authors' own programs make of UnQover's lists: entries, samples, biases and errors.

    python3 tests/golden/make_unqover_golden.py UNQOVER BEYOND_PERPLEXITY > tests/golden/unqover.json     (Python 3.11, numpy, scipy)

UNQOVER is a checkout of allenai/unqover at 3e47969, BEYOND_PERPLEXITY one of
zhichaoxu-shufe/Beyond-Perplexity-Compression-Safety-Eval at 83bce22. Only hashes, counts and results are kept.

- "official" and "pack": the four categories of UNQOVER/word_lists and of packs/unqover/word_lists, filled by
  templates.underspecified_templates. `ends` are the subjects of the first and of the last entry. `entries_sha256` is over
  all entries in their order, or (`every`: n) over entry 0, n, 2n, ...: key, context, question, negated question and both
  answers, each with a TAB behind it, then LF.
- `sample_sha256`: the pairs that random.seed(42); random.sample(pairs, 10000) draws, one decimal index and LF each;
  `subjects`: in how many of them a subject stands.
- "metrics": those pairs with made-up scores (`score`), in unqover_utils.get_model_bias and get_subj_bias of BEYOND_PERPLEXITY
  (`female`: [gamma, eta] by activity in the order of the list); the two errors by analysis.py of UNQOVER, which prints four decimals.
"""
import argparse
import collections
import contextlib
import hashlib
import io
import json
import os
import pathlib
import random
import re
import sys
import tempfile

unqover, beyond = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
packs = pathlib.Path(__file__).resolve().parents[2] / "packs/unqover/word_lists"
sys.path[:0] = [str(unqover), str(beyond / "src")]
import unqover_utils  # noqa: E402
from templates.lists import Lists  # noqa: E402
from templates.underspecified_templates import UnderspecifiedTemplates  # noqa: E402

analysis = {}  # analysis.py without its command line
exec((unqover / "analysis.py").read_text().split("\nparser = ")[0], analysis)
analysis["get_ans_p"] = unqover_utils.get_ans_p  # log-likelihoods instead of the probabilities of spans

CATEGORIES = {  # subjects, activities, templates
    "religion": ("religion", "biased_religion", "religion_noact"),
    "ethnicity": ("ethnicity", "biased_ethnicity", "ethnicity_noact"),
    "country": ("country", "biased_country", "country_noact"),
    "gender_occupation": ("mixed_gender", "occupation_rev1", "gender_noact"),
}


def lists_of(folder):
    """The authors' reader wants a folder of fillers, which a pack has none of."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("nouns", "activities", "slots"):
            os.symlink(folder / name, pathlib.Path(copy) / name)
        (pathlib.Path(copy) / "fillers").mkdir()
        return Lists(copy, None)


def entries(lists, category):
    """(key, context, question, negated question, answer, answer) in the authors' order, a pair of subjects at a time."""
    subjects, activities, slots = CATEGORIES[category]
    mixed = subjects == "mixed_gender"
    pairs = (lists.get_mixed_gender_pairs("female", "male", add_flip=True) if mixed
             else lists.get_subject_pairs(subjects, add_flip=True))
    for pair in pairs:
        filled = UnderspecifiedTemplates()
        with contextlib.redirect_stdout(io.StringIO()):
            filled.spawn_slot_act_mapping(lists.slots[slots], [pair], lists.activities[activities], None, "<mask>")
        for t in filled.subj_templates:
            context, question, negated = t.apply()
            key = "|".join([t.spair[0]["cluster"], t.spair[1]["cluster"], *t.unique_spair, str(t.tid), t.act_cluster,
                            t.unique_act, t.unique_act])
            yield key, context, question, negated, *t.actual_spair


def pair_key(key):
    k = key.lower().split("|")
    return tuple(sorted(k[2:4])), *k[4:]


def describe(lists, category, every):
    digest, count, first, last, pairs = hashlib.sha256(), 0, None, None, {}
    for i, entry in enumerate(entries(lists, category)):
        if i % every == 0:
            digest.update(("".join(part + "\t" for part in entry) + "\n").encode())
        first, last, count = first or entry, entry, count + 1
        pairs.setdefault(pair_key(entry[0]), len(pairs))
    ends = [entry[0].split("|")[2:4] for entry in (first, last)]
    result = {"entries": count, "pairs": len(pairs), "ends": ends, "every": every,
              "entries_sha256": digest.hexdigest()}
    if len(pairs) <= 10000:
        return result, None
    keys = list(pairs)
    random.seed(42)
    drawn = random.sample(keys, 10000)
    result["sample_sha256"] = hashlib.sha256("".join(f"{pairs[k]}\n" for k in drawn).encode()).hexdigest()
    result["sample_starts"] = [[*k[0], k[1]] for k in drawn[:3]]
    result["subjects"] = dict(sorted(collections.Counter(s for k in drawn for s in k[0]).items()))
    return result, {k: pairs[k] for k in drawn}


def score(pair, entry, question, answer):
    """A log-likelihood in (-4, 0], a multiple of 1/256, that depends on nothing but where it stands."""
    return -((((pair * 8 + entry * 4 + question * 2 + answer) * 2654435761) % 2**32) >> 22) / 256


def scored_sample(lists, category, drawn):
    """The drawn entries as the study's code holds them, scores in them."""
    data = {}
    for key, context, question, negated, answer0, answer1 in entries(lists, category):
        pair = pair_key(key)
        if pair not in drawn:
            continue
        e = 0 if key.lower().split("|")[2] == pair[0][0] else 1
        data[key] = {f"q{q}": {f"ans{k}": {"score": score(drawn[pair], e, q, k)} for k in (0, 1)} for q in (0, 1)}
    return data


def printed_number(function, data, name):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        function(None, data)
    return float(re.search(name + r" error: ([\d.]+)", out.getvalue()).group(1))


def metrics(lists, data, gender):
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet:
        model = unqover_utils.get_model_bias(None, data, lists)
        by_subject = unqover_utils.get_subj_bias(argparse.Namespace(group_by="subj"), data, lists)
        by_gender = gender and unqover_utils.get_subj_bias(argparse.Namespace(group_by="gender_act"), data, lists)
    result = {"mu": float(model["model_mu"]), "eta": float(model["model_eta"]),
              "delta": printed_number(analysis["get_positional_inconsistency"], data, "positional"),
              "epsilon": printed_number(analysis["get_attributive_inconsistency"], data, "attributive"),
              "subjects": {k: float(v) for k, v in sorted(by_subject.items())}}
    if gender:
        names = [a["unique"].lower() for a in lists.activities["occupation_rev1"]["[p_act]"]]
        result["female"] = [[float(by_gender[f"female_{a}_{m}"]) for m in ("gamma", "eta")] for a in names]
    return result


def main():
    out = {"official": {}, "pack": {}, "metrics": {}}
    official, pack = Lists(str(unqover / "word_lists"), None), lists_of(packs)
    for category in CATEGORIES:
        large = category in ("country", "gender_occupation")
        out["official"][category], drawn = describe(official, category, 97 if large else 1)
        out["pack"][category], _ = describe(pack, category, 1)
        print(category, "done", file=sys.stderr)
        if category in ("religion", "gender_occupation"):
            out["metrics"][category] = metrics(official, scored_sample(official, category, drawn),
                                               category == "gender_occupation")
    print(json.dumps(out, ensure_ascii=False))


main()
