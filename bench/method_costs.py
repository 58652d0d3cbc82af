"""Time and peak memory of every compression of a study, each in a process of its own.

    ~/.cache/assay/peers/bin/python bench/method_costs.py studies/methods.yaml [VARIANT ...]

Prints a Markdown table: seconds of the whole `assay compress` (reading and writing checkpoints included) and the most memory
that the process held, as the kernel counts it. Checkpoints go to a temporary folder and are deleted. Absolute times are
those of this machine; compare rows of one run."""
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

TAKE_NO_TEXT = ("magnitude", "rtn", "nf4", "fp4", "hqq", "llm_int8", "kv_cache", "permute", "dense")
ASSAY = Path(__file__).resolve().parent.parent / "build/release/bin/assay"


def flags_of(settings):
    """A variant's keys are the program's flags; those that are true stand alone."""
    flags = []
    for key, value in settings.items():
        if value is True:
            flags.append(f"--{key}")
        elif value is not False:
            flags += [f"--{key}", str(value)]
    return flags


def calibration_of(study, variant):
    if variant["method"] in TAKE_NO_TEXT:
        return []
    calibration = study["calibration"]
    return ["--calibration", calibration["data"], "--samples", calibration["samples"], "--length", calibration["length"],
            "--seed", calibration["seeds"][0]]


def measure(command):
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, "OMP_WAIT_POLICY": "passive"})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{shlex.join(command)} failed:\n{output.read().decode()[-2000:]}")
        return time.monotonic() - started, usage.ru_maxrss * 1024 / 1e6


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    study, wanted = yaml.safe_load(Path(sys.argv[1]).read_text()), sys.argv[2:]
    print("| variant | seconds | peak MB |\n|---|---|---|")
    for variant in study["variants"]:
        name = variant.pop("name")
        variant.pop("control", None)
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            command = [ASSAY, "compress", study["model"], *flags_of(variant), *calibration_of(study, variant), "-o",
                       f"{folder}/{name}"]
            seconds, megabytes = measure([str(word) for word in command])
        print(f"| {name} | {seconds:.0f} | {megabytes:.0f} |", flush=True)


main()
