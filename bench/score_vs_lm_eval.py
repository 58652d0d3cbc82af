"""How fast `assay score` is beside lm-eval's hf model, on the same items in one run (make bench).

Two loads from BBQ, zero-shot, three choices each: 200 random rows, and the whole Religion category. Whole processes
are timed, start included. On a machine with other work the processor time is the figure to trust, so both are printed;
the share of the machine's float32 product rate counts only necessary work: the distinct prefixes, and logits only where
they are asked for."""
import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("ASSAY_CACHE", Path.home() / ".cache/assay"))
BLOCK = 576 * 576 * 2 + 2 * 576 * 192 + 3 * 576 * 1536  # weights of one of SmolLM2's 30 blocks
LAST_KEYS_VALUES = 2 * 576 * 192                         # all that rows without a question need of the last one


def timed(command):
    """Seconds of wall and of processor time of a process, and its (stdout, stderr)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, done.stdout, done.stderr


def requests_of(rows):
    for row in rows:
        context = f"Context: {row['context']}\nQuestion: {row['question']}\nAnswer:"
        for i in range(3):
            yield {"id": [row["category"], row["example_id"], i], "context": context,
                   "continuation": " " + row[f"ans{i}"]}


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in requests_of(rows)))
    return path


def product_rate():
    """GFLOP/s of the machine's float32 product: per second of wall and of processor time."""
    wall, processor = subprocess.run([ROOT / "build/release/bin/gemm_rate"], capture_output=True, text=True,
                                     check=True).stdout.split()[:2]
    return float(wall), float(processor)


def answers_of(path_or_text):
    text = path_or_text.read_text() if isinstance(path_or_text, Path) else path_or_text
    return [json.loads(line) for line in text.splitlines()]


def compare(name, rows, args, folder, work, batch_size):
    file = write(work / f"{name}.jsonl", rows)
    rates, ours = [product_rate()], []
    for _ in range(args.repeat):
        ours.append(timed([args.assay, "score", folder, "--input", file]))
        rates.append(product_rate())
    wall, processor, stdout, stderr = min(ours, key=lambda t: t[1])
    requests, tokens, computed, logits = map(int, re.search(
        r"(\d+) requests of (\d+) tokens, (\d+) computed, logits at (\d+)", stderr).groups())
    theirs = timed([sys.executable, ROOT / "bench/lm_eval_score.py", folder, file, batch_size, work / "theirs.jsonl"])
    a, b = answers_of(stdout), answers_of(work / "theirs.jsonl")
    assert [x["id"] for x in a] == [x["id"] for x in b]
    difference = max(abs(x["log_likelihood"] - y["log_likelihood"]) for x, y in zip(a, b))
    other_greedy = sum(x["is_greedy"] != y["is_greedy"] for x, y in zip(a, b))
    flops = 2 * (computed * (29 * BLOCK + LAST_KEYS_VALUES) + logits * (BLOCK - LAST_KEYS_VALUES + 576 * 49152))
    rate_wall, rate_processor = max(r[0] for r in rates), max(r[1] for r in rates)
    print(f"{name}: {requests} requests, {tokens} tokens, {computed} computed ({1 - computed / tokens:.1%} saved by "
          f"sharing), logits at {logits}")
    print(f"  assay          {wall:8.1f} s wall  {processor:8.1f} s processor  (best of {args.repeat})")
    print(f"  lm-eval, {batch_size:>3}   {theirs[0]:8.1f} s wall  {theirs[1]:8.1f} s processor")
    print(f"  ratio          {theirs[0] / wall:8.2f}          {theirs[1] / processor:8.2f}   largest difference "
          f"{difference:.1e} nats, {other_greedy} of {len(a)} differ in is_greedy")
    print(f"  product rate   {rate_wall:8.1f} GFLOP/s wall  {rate_processor:.1f} per second of processor time; "
          f"assay reaches {flops / wall / 1e9 / rate_wall:.0%}, {flops / processor / 1e9 / rate_processor:.0%}")


def best_batch_size(rows, folder, work):
    file = write(work / "probe.jsonl", rows)
    seconds = {size: timed([sys.executable, ROOT / "bench/lm_eval_score.py", folder, file, size,
                            work / "probe_answers.jsonl"])[1] for size in (8, 16, 32, 64)}
    print("lm-eval, processor seconds for", len(rows), "rows by batch size:", seconds)
    return min(seconds, key=seconds.get)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", type=Path, default=ROOT / "build/release/bin/assay")
    parser.add_argument("--data", type=Path, default=os.environ.get("ASSAY_DATA", ROOT.parent / "shared/data"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--batch_size", type=int, help="lm-eval's; by default the best of 8, 16, 32, 64")
    parser.add_argument("--loads", default="random200,religion")
    args = parser.parse_args()
    files = sorted(Path(args.data, "bbq").glob("*.jsonl"))
    if not files:
        sys.exit(f"no BBQ in {args.data}/bbq: set ASSAY_DATA")
    folder = CACHE / "bench/smollm2-float32"
    if not (folder / "config.json").exists():
        subprocess.run([sys.executable, ROOT / "tests/golden/smollm2_reference.py", folder], check=True)
    starts = [timed([args.assay, command]) for command in ("version", "--help") for _ in range(5)]
    engine = [timed([args.assay, "score", "--help"]) for _ in range(5)]
    print(f"start: version, --help {min(s[0] for s in starts):.3f} s; with libtorch {min(s[0] for s in engine):.3f} s "
          f"wall, {min(s[1] for s in engine):.3f} s processor")
    every = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    random200 = random.Random(0).sample(every, 200)
    loads = {"random200": random200, "religion": [r for r in every if r["category"] == "Religion"]}
    with tempfile.TemporaryDirectory() as work:
        size = args.batch_size or best_batch_size(random200[:20], folder, Path(work))
        for name in args.loads.split(","):
            compare(name, loads[name], args, folder, Path(work), size)


if __name__ == "__main__":
    main()
