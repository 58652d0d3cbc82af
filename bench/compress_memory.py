"""The most memory that `assay compress` takes, beside what --dry-run states (docs/methods/README.md).

By default a random checkpoint of Llama-2-7B's shape with one layer is made; --model takes one that is there. Every
method runs for every number of calibration sequences, and a row says what the process held at most: in all (the
kernel's own figure), and sampled every 5 ms its anonymous pages and those of mapped files, whose peaks need not fall
together."""
import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(__file__).resolve().parent.parent / "build/release/bin"
FLAGS = {"gptq": ["--bits", "4", "--group_size", "128"], "awq": ["--bits", "4", "--group_size", "128"]}

TAKE_NO_TEXT = ("magnitude", "rtn", "nf4", "fp4", "hqq", "llm_int8", "kv_cache", "permute", "dense")


def peaks(command):
    """Peak MB of a process: in all, anonymous, of mapped files. Its output is shown when it fails."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(c) for c in command], stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, "OMP_WAIT_POLICY": "passive"})
        kinds = {"RssAnon": 0, "RssFile": 0}
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            try:
                text = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                continue
            for kind, value in re.findall(r"(RssAnon|RssFile):\s+(\d+) kB", text):
                kinds[kind] = max(kinds[kind], int(value) * 1024 / 1e6)
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{shlex.join(map(str, command))} failed:\n{output.read().decode()[-2000:]}")
        return usage.ru_maxrss * 1024 / 1e6, kinds["RssAnon"], kinds["RssFile"]


def planned(command):
    done = subprocess.run([str(c) for c in command] + ["--dry-run"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(map(str, command))} --dry-run failed:\n{done.stderr}")
    return float(re.search(r"^memory\s+(\d+) MB", done.stdout, re.M).group(1))


def calibration_of(arguments, model, sequences, method):
    if method in TAKE_NO_TEXT:
        return []
    ids = arguments.ids or model / "ids.jsonl"
    return ["--calibration", f"ids:{ids}", "--samples", sequences]


def measure(arguments, model, layers, work):
    for sequences in arguments.sequences:
        for method in arguments.methods:
            output = work / "out"
            command = [BIN / "assay", "compress", model, "--method", method, "-o", output, "--save_dtype", "bfloat16",
                       *calibration_of(arguments, model, sequences, method), *FLAGS.get(method, []),
                       *shlex.split(arguments.extra)]
            plan, start = planned(command), time.perf_counter()
            total, anonymous, mapped = peaks(command)
            shutil.rmtree(output)
            print(f"| {layers} | {sequences} | {method} | {total:.0f} | {anonymous:.0f} | {mapped:.0f} | {plan:.0f} | "
                  f"{100 * (plan / total - 1):+.1f} % | {time.perf_counter() - start:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a checkpoint or catalogue name instead of random ones")
    parser.add_argument("--ids", help="calibration ids for --model, JSON Lines")
    parser.add_argument("--layers", type=int, nargs="+", default=[1])
    parser.add_argument("--sequences", type=int, nargs="+", default=[2])
    parser.add_argument("--methods", nargs="+", default=["wanda", "sparsegpt", "gptq"])
    parser.add_argument("--shape", default="", help="flags of random_llama; its defaults are Llama-2-7B's shape")
    parser.add_argument("--extra", default="", help="more flags of assay compress")
    parser.add_argument("--work", type=Path, default=None, help="folder for checkpoints (default: the temporary one)")
    arguments = parser.parse_args()
    print("| layers | sequences | method | peak MB | anonymous | mapped files | planned MB | off by | seconds |\n"
          "|---|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        work = Path(work)
        if arguments.model:
            measure(arguments, arguments.model, "", work)
            return
        for layers in arguments.layers:
            model = work / "model"
            subprocess.run([BIN / "random_llama", model, "--layers", str(layers), "--sequences",
                            str(max(arguments.sequences)), *shlex.split(arguments.shape)], check=True)
            measure(arguments, model, layers, work)
            shutil.rmtree(model)


if __name__ == "__main__":
    main()
