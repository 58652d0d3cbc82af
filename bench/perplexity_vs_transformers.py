"""Perplexity of WikiText-2 raw by `assay run` beside transformers, SmolLM2 in float32, windows of 2048 tokens.

The other side is made here from the file alone: rows joined by two line feeds, the reference tokenizer, the model of
tests/golden/smollm2_reference.py, a log-softmax over each window. Both sides take minutes; --limit draws that many windows.
Ends with 1 when the perplexities differ by more than 0.01 %."""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/golden"))
from smollm2_reference import load_model, load_tokenizer

WINDOW = 2048
TOLERANCE = 1e-4  # relative


def assay_windows(assay, data, limit):
    """{window: (summed log-likelihood, targets)} and the seconds that the whole program took."""
    task = {"task": "perplexity/wikitext2", "window": WINDOW} | ({"limit": limit} if limit else {})
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study.yaml")
        study.write_text(json.dumps({"study": "wikitext2", "model": "smollm2-135m-instruct", "variants": [],
                                     "tasks": [task], "output": f"{folder}/out"}))
        start = time.perf_counter()
        subprocess.run([assay, "run", study], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "ASSAY_DATA": str(data)})
        seconds = time.perf_counter() - start
        lines = Path(folder, "out/base/samples_perplexity_wikitext2_base.jsonl").read_text().splitlines()
    answers = {}
    for line in map(json.loads, lines):
        (log_likelihood, targets, _), = line["x_assay"]["scores"]
        answers[line["doc"]["window"]] = (log_likelihood, targets)
    return answers, seconds


def reference_windows(data, wanted):
    with open(Path(data, "wikitext-2-raw/wiki.test.raw"), newline="\n") as file:
        rows = [line if line.strip() else "" for line in file]
    ids = load_tokenizer()("\n\n".join(rows))["input_ids"]
    model, answers = load_model(), {}
    start = time.perf_counter()
    with torch.inference_mode():
        for window in sorted(wanted):
            part = torch.tensor(ids[window * WINDOW:(window + 1) * WINDOW])
            log_probabilities = model(part[None]).logits[0, :-1].log_softmax(-1)
            chosen = log_probabilities.gather(1, part[1:, None]).double()
            answers[window] = (chosen.sum().item(), len(part) - 1)
    return len(ids), answers, time.perf_counter() - start


def perplexity(windows):
    return math.exp(-sum(w[0] for w in windows.values()) / sum(w[1] for w in windows.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assay", type=Path, default=ROOT / "build/release/bin/assay")
    parser.add_argument("--data", type=Path, default=os.environ.get("ASSAY_DATA", ROOT.parent / "shared/data"))
    parser.add_argument("--limit", type=int, help="windows, drawn by seed; default: all")
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    ours, our_seconds = assay_windows(args.assay, args.data, args.limit)
    num_tokens, theirs, their_seconds = reference_windows(args.data, ours)
    assert {w: a[1] for w, a in ours.items()} == {w: a[1] for w, a in theirs.items()}, "other targets"
    a, b = perplexity(ours), perplexity(theirs)
    worst = max(abs(ours[w][0] - theirs[w][0]) for w in ours)
    print(f"WikiText-2 raw: {num_tokens} tokens, {len(ours)} windows, {sum(w[1] for w in ours.values())} targets")
    print(f"  assay {a:.6f} ({our_seconds:.0f} s, whole program)  transformers {b:.6f} ({their_seconds:.0f} s, model alone)")
    print(f"  relative difference {abs(a / b - 1):.2e}, largest of a window {worst:.1e} nats, time ratio "
          f"{their_seconds / our_seconds:.2f}")
    return 0 if abs(a / b - 1) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
