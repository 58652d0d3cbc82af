"""The table of docs/methods/side-by-side.md: what every variant of a study costs and changes.

    python3 bench/method_table.py results/methods/summary.json COSTS

COSTS holds what bench/method_costs.py printed; a variant that is not in it has empty cells. Changes are differences, or
ratios where the outcome is compared as one, with the paired interval in brackets where the report has one."""
import json
import re
import sys
from pathlib import Path

# (task, outcome, heading)
CHANGES = [("stereoqa", "acc_disambig", "stereoqa accuracy"), ("stereoqa", "s_amb", "stereoqa bias"),
           ("dialect", "dialect_cost_ratio", "dialect cost ratio")]


def costs_of(path):
    return dict(re.findall(r"^\| (\S+) \| (\d+ \| \d+) \|$", Path(path).read_text(), re.M))


def change(result):
    estimate, form = (result["ratio"], "x {:.3f}") if result["ratio"] else (result["difference"], "{:+.3f}")
    text = form.format(estimate["value"])
    if estimate["low"] is None:
        return text
    return text + " [" + ", ".join(form.removeprefix("x ").format(estimate[end]) for end in ("low", "high")) + "]"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    summary, costs = json.loads(Path(sys.argv[1]).read_text()), costs_of(sys.argv[2])
    results = {(r["variant"], r["task"], r["outcome"]): r for r in summary["results"]}
    headings = ["variant", "bits", "zeros", "seconds", "peak MB", "perplexity", *(heading for *_, heading in CHANGES)]
    print("| " + " | ".join(headings) + " |\n|" + "---|" * len(headings))
    first = summary["variants"][0]["name"]
    base = [f"{results[first, *key[:2]]['base']['value']:.3f}" for key in CHANGES]
    perplexity = ("perplexity/xsum", "perplexity")
    print(f"| base | | | | | {results[first, *perplexity]['base']['value']:.1f} | " + " | ".join(base) + " |")
    for variant in summary["variants"]:
        name = variant["name"]
        changes = [change(results[name, task, outcome]) for task, outcome, _ in CHANGES]
        print(f"| {name} | {variant['bits']:.2f} | {variant['sparsity']:.3f} | {costs.get(name, ' | ')} | "
              f"{results[name, *perplexity]['variant_value']['value']:.1f} | " + " | ".join(changes) + " |")


main()
