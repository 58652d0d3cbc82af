"""Makes smollm2_scores.json: 500 requests and rolling windows, scored by transformers in float32, one sequence at a time,
no padding, no cache. The texts were paragraphs of this repository's docs/adr; the file holds their token ids. Run with the
peers environment: python tests/golden/make_score_golden.py"""
import json
import random
from pathlib import Path

import torch

from smollm2_reference import load_model, load_tokenizer

rng = random.Random(20240704)
model, tokenizer = load_model(), load_tokenizer()
here = Path(__file__).resolve()
out = here.with_name("smollm2_scores.json")
if out.exists():  # the texts stay as they are, whatever docs/adr says today
    stems = json.loads(out.read_text())["stems"]
else:
    text = "\n\n".join(f.read_text() for f in sorted((here.parents[2] / "docs/adr").glob("002[0-3]*.md")))
    paragraphs = [tokenizer(p)["input_ids"][:120] for p in text.split("\n\n") if len(p) > 60]
    stems = [ids for ids in paragraphs if len(ids) >= 12][:24] + [tokenizer(text)["input_ids"][:400]]


@torch.no_grad()
def log_probabilities(ids):
    logits = model(input_ids=torch.tensor([ids])).logits[0]
    assert logits.dtype == torch.float32
    return torch.log_softmax(logits.double(), -1)


def request(stem, context, continuation, table):
    values = [float(table[i, token]) for i, token in enumerate(continuation)]
    return {"stem": stem, "context": context, "continuation": continuation, "log_likelihood": sum(values),
            "is_greedy": all(int(table[i].argmax()) == t for i, t in enumerate(continuation))}


tables = [log_probabilities(ids) for ids in stems]
requests = []
while len(requests) < 460:  # the text's own continuation and the greedy token: rows of the stem's table
    stem = len(requests) // 2 % len(stems)
    ids, table = stems[stem], tables[stem]
    context = rng.randint(1, len(ids) - 6)
    requests.append(request(stem, context, ids[context:context + rng.randint(1, 6)], table[context - 1:]))
    requests.append(request(stem, context, [int(table[context - 1].argmax())], table[context - 1:]))
while len(requests) < 500:  # continuations of random tokens
    stem = len(requests) % len(stems)
    ids = stems[stem]
    context = rng.randint(1, min(40, len(ids) - 1))
    continuation = [rng.randrange(49152) for _ in range(rng.randint(2, 6))]
    table = log_probabilities((ids[:context] + continuation)[:-1])
    requests.append(request(stem, context, continuation, table[context - 1:]))
rolling = []
for window in (400, 150):
    means = []
    for first in range(0, len(stems[-1]), window):
        ids = stems[-1][first:first + window]
        table = log_probabilities(ids[:-1])
        means.append(-sum(float(table[i, t]) for i, t in enumerate(ids[1:])) / (len(ids) - 1))
    rolling.append({"stem": len(stems) - 1, "window": window, "nll_per_window": means})
rows = ",\n".join(json.dumps(r) for r in requests)
out.write_text('{"stems": ' + json.dumps(stems) + ',\n"requests": [\n' + rows + '\n],\n"rolling": ' +
               json.dumps(rolling) + "}\n")
