"""Two small runs of lm-eval with its samples: the golden files of run/lm_eval_run_test.cpp.

usage: make_lm_eval_runs.py BASE VARIANT OUTPUT   (folders in Hugging Face layout; tests/golden/lm_eval)
Made with lm-eval 0.4.13 from SmolLM2-135M-Instruct (`assay convert smollm2-135m-instruct BASE`) and from
`assay compress smollm2-135m-instruct --method rtn --bits 2 --group_size 64 -o VARIANT`.
Two multiple-choice tasks in a group, a passage task, an answer that is generated and read by two filters, and texts of
which lm-eval takes perplexities. The items are written for this project.
"""
import json
import os
import re
import sys
import tempfile
from pathlib import Path

os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

ANIMALS = [("cat", "meows"), ("dog", "barks"), ("cow", "moos"), ("duck", "quacks"), ("sheep", "bleats"), ("horse", "neighs")]
COLOURS = [("sky", "blue"), ("grass", "green"), ("blood", "red"), ("snow", "white"), ("coal", "black"), ("sun", "yellow")]
PASSAGES = [
    ("Anna put the book on the shelf and left the kitchen.", [("Is the book on the shelf?", 1), ("Is Anna in the kitchen?", 0)]),
    ("The train was late, so Omar missed the first lesson.", [("Was the train on time?", 0), ("Did Omar miss a lesson?", 1)]),
    ("Rain fell all night and the river rose by a metre.", [("Did the river rise?", 1), ("Was the night dry?", 0)]),
]


def choice_items(pairs, question):
    answers = [answer for _, answer in pairs]
    items = []
    for i, (word, answer) in enumerate(pairs):
        choices = [answer] + [answers[(i + k) % len(pairs)] for k in (1, 2)]
        choices = choices[i % 3 :] + choices[: i % 3]
        items.append({"question": question.format(word), "choices": choices, "label": choices.index(answer)})
    return items


DATA = {
    "animals": choice_items(ANIMALS, "What does a {} do? It"),
    "colours": choice_items(COLOURS, "The colour of {} is"),
    "passages": [{"passage": p, "question": q, "label": label} for p, asked in PASSAGES for q, label in asked],
    "sums": [{"a": a, "b": b, "answer": str(a + b)} for a, b in [(1, 1), (2, 3), (4, 4), (10, 5), (7, 2), (3, 6)]],
    "texts": [{"text": p + " " + " ".join(q for q, _ in asked)} for p, asked in PASSAGES],
}

COMMON = "dataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}/{name}.jsonl}}}}\ntest_split: test\n"
TASKS = {
    "animals": "output_type: multiple_choice\ndoc_to_text: '{{question}}'\ndoc_to_choice: choices\ndoc_to_target: label\n"
    "metric_list: [{metric: acc}, {metric: acc_norm}]\n",
    "colours": "output_type: multiple_choice\ndoc_to_text: '{{question}}'\ndoc_to_choice: choices\ndoc_to_target: label\n"
    "metric_list: [{metric: acc}, {metric: acc_norm}]\n",
    "passages": "output_type: multiple_choice\ndoc_to_text: '{{passage}} {{question}}'\ndoc_to_choice: ['no', 'yes']\n"
    "doc_to_target: label\nmetric_list: [{metric: acc}]\n",
    "sums": "output_type: generate_until\ndoc_to_text: '{{a}} + {{b}} ='\ndoc_to_target: '{{answer}}'\n"
    "generation_kwargs: {until: [\"\\n\"], max_gen_toks: 8}\nmetric_list: [{metric: exact_match}]\n"
    "filter_list:\n- {name: first, filter: [{function: regex, regex_pattern: '(\\d+)'}, {function: take_first}]}\n"
    "- {name: last, filter: [{function: regex, group_select: -1, regex_pattern: '(\\d+)'}, {function: take_first}]}\n",
    "texts": "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
    "metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]\n",
}


def write_tasks(folder):
    for name, items in DATA.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        text = f"task: {name}\n" + COMMON.format(data=folder, name=name) + TASKS[name]
        (folder / f"{name}.yaml").write_text(text)
    (folder / "general.yaml").write_text(
        "group: general\ntask: [animals, colours]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n"
    )


def main(base, variant, output):
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_tasks(folder)
        manager = TaskManager(include_path=work, include_defaults=False)
        for arm, model in (("base", base), ("variant", variant)):
            out = Path(output) / arm
            tracker = EvaluationTracker(output_path=str(folder / arm))
            results = lm_eval.simple_evaluate(
                model="hf", model_args=f"pretrained={model},dtype=float32", tasks=["general", "passages", "sums", "texts"],
                task_manager=manager, batch_size=4, log_samples=True, evaluation_tracker=tracker, bootstrap_iters=0,
                device="cpu")
            samples = results.pop("samples")
            tracker.save_results_aggregated(results=results, samples=samples)
            for task in results["configs"]:
                tracker.save_results_samples(task_name=task, samples=samples[task])
            out.mkdir(parents=True, exist_ok=True)
            for file in (folder / arm).rglob("*.json*"):
                text = file.read_text().replace(str(Path(model).resolve()), arm).replace(model, arm).replace(work, "data")
                if file.name.startswith("results"):
                    run = json.loads(text)
                    for key in ("pretty_env_info", "date", "total_evaluation_time_seconds", "model_name_sanitized"):
                        run.pop(key, None)
                    text = json.dumps(run, indent=1) + "\n"
                name = re.sub(r"_\d{4}-\d\d-\d\dT[\d-]+\.\d+", "_2026-01-01T00-00-00", file.name)
                (out / name).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
