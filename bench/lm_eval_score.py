"""lm_eval_score.py FOLDER REQUESTS BATCH_SIZE ANSWERS: scores JSONL requests with lm-eval's hf model in float32, as
`assay score` does. The last line of stdout is the time of loglikelihood alone."""
import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

folder, requests, batch_size, answers = sys.argv[1:]
torch.set_num_threads(len(os.sched_getaffinity(0)))
lines = [json.loads(line) for line in open(requests)]
model = HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=int(batch_size), max_length=2048)
instances = [Instance("loglikelihood", {}, (line["context"], line["continuation"]), i) for i, line in enumerate(lines)]
start = time.perf_counter()
results = model.loglikelihood(instances, disable_tqdm=True)
seconds = time.perf_counter() - start
with open(answers, "w") as out:
    for line, (log_likelihood, is_greedy) in zip(lines, results):
        out.write(json.dumps({"id": line["id"], "log_likelihood": log_likelihood, "is_greedy": is_greedy}) + "\n")
print(seconds)
