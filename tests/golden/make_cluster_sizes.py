"""Sizes of the clusters of real evaluation sets, for the simulations of src/stats.

    python3 tests/golden/make_cluster_sizes.py BBQ_FOLDER PACKS_FOLDER > tests/golden/cluster_sizes.json

BBQ_FOLDER holds <Category>.jsonl and regenerated/<Category>.jsonl, PACKS_FOLDER the packs of this repository. Only numbers
are kept. A cluster is a category's question_index (BBQ, stereoqa) or an item (dialect).
UnQover, religion: a cluster is a template x activity (14 x 50); the published protocol draws 10 000 of its 38 500 subject
pairs x templates x activities, enumerated in this order, with seed 42.
"""
import collections
import json
import pathlib
import random
import sys


def sizes(path, key):
    counts = collections.Counter(key(json.loads(line)) for line in open(path, encoding="utf-8"))
    return sorted(counts.values())


bbq, packs = map(pathlib.Path, sys.argv[1:3])
result = {"bbq": {}, "packs": {}}
for path in sorted(bbq.glob("*.jsonl")) + sorted(bbq.glob("regenerated/*.jsonl")):
    result["bbq"][path.stem] = sizes(path, lambda row: str(row["question_index"]))
result["packs"]["stereoqa"] = sizes(
    packs / "stereoqa" / "items.jsonl", lambda row: (row["category"], row["question_index"]))
result["packs"]["dialect"] = sizes(packs / "dialect" / "items.jsonl", lambda row: row["id"])
random.seed(42)
drawn = collections.Counter(index % (14 * 50) for index in random.sample(range(38500), 10000))
result["unqover"] = {"religion": sorted(drawn.values())}
print("{")
for i, (name, sets) in enumerate(result.items()):
    rows = ",\n".join(f'    "{k}": {json.dumps(v)}' for k, v in sets.items())
    print(f'  "{name}": {{\n{rows}\n  }}' + ("," if i + 1 < len(result) else ""))
print("}")
