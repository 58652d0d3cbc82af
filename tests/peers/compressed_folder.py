"""transformers loads the folder that `assay compress` writes and gives the log-likelihoods of `assay score`.

SmolLM2 at RTN 3 bit, groups of 64: a dozen requests, each within 2e-4 nats, and the same verdict on greedy.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TOLERANCE = 2e-4  # nats: float32 sums in another order, 30 blocks
REQUESTS = [
    ("The capital of France is", " Paris"),
    ("The capital of France is", " a river in the north of Spain"),
    ("Water boils at a temperature of", " 100 degrees"),
    ("She opened the letter, read it twice, and", " put it back into the drawer."),
    ("def add(a, b):\n    return", " a + b"),
    ("In 1969, two people walked on", " the moon"),
    ("The nurse told the engineer that", " she would be late."),
    ("The nurse told the engineer that", " he would be late."),
    ("Once upon a time", " there was a small village at the foot of a mountain"),
    ("2 + 2 =", " 4"),
    ("Q: Are cats mammals?\nA:", " Yes"),
    ("Le chat est sur", " la table et le chien dort"),
]


def assay(binary, *arguments, **options):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(model, context, continuation):
    ids = torch.tensor([context + continuation])
    with torch.no_grad():
        log_probs = torch.log_softmax(model(ids).logits[0, len(context) - 1 : -1].double(), dim=-1)
    targets = torch.tensor(continuation)
    total = log_probs[torch.arange(len(continuation)), targets].sum().item()
    return total, bool((log_probs.argmax(-1) == targets).all())


def compare(binary, folder, model, tolerance):
    """The largest difference between assay's log-likelihoods of REQUESTS and the model's, which must be below."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = "".join(json.dumps({"id": i, "context": c, "continuation": t}) + "\n" for i, (c, t) in enumerate(REQUESTS))
    answers = [json.loads(line) for line in assay(binary, "score", folder, "--input", "-", input=lines).splitlines()]
    assert len(answers) == len(REQUESTS), answers
    worst = 0.0
    for (context, continuation), answer in zip(REQUESTS, answers):
        context_ids, ids = tokenizer(context).input_ids, tokenizer(context + continuation).input_ids
        assert ids[: len(context_ids)] == context_ids, f"{context!r} is not tokenized apart"
        total, greedy = expected(model, context_ids, ids[len(context_ids) :])
        worst = max(worst, abs(total - answer["log_likelihood"]))
        assert abs(total - answer["log_likelihood"]) <= tolerance, (context, continuation, total, answer)
        assert greedy == answer["is_greedy"], (context, continuation, greedy, answer)
        assert answer["num_tokens"] == len(ids) - len(context_ids), answer
    return worst


def main(binary):
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "rtn3"
        assay(binary, "compress", "smollm2-135m-instruct", "--method", "rtn", "--bits", "3", "--group_size", "64",
              "-o", folder)
        provenance = json.loads((folder / "assay_provenance.json").read_text())
        assert provenance["method"]["bits"] == 3, provenance["method"]
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for name, tensor in model.state_dict().items():
            if name.startswith("model.layers.0.mlp") or name == "model.layers.29.self_attn.q_proj.weight":
                levels = max(len(group.unique()) for row in tensor[:4] for group in row.split(64))
                assert levels <= 8, f"{name}: a group holds {levels} levels, 3 bits have 8"
        worst = compare(binary, folder, model, TOLERANCE)
        print(f"{len(REQUESTS)} requests agree, largest difference {worst:.1e} nats")


if __name__ == "__main__":
    main(sys.argv[1])
