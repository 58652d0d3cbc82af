"""Time and peak memory of every compression of a study, each in a process of its own.

    ~/.cache/assay/peers/bin/python bench/method_costs.py studies/methods.yaml [VARIANT ...]

Prints a Markdown table: seconds of the whole `assay compress` (reading and writing checkpoints included) and the most memory
that the process held, as the kernel counts it. Checkpoints go to a temporary folder and are deleted. Absolute times are
those of this machine; compare rows of one run."""
import sys
import tempfile
import time
from pathlib import Path

import yaml

from compress_memory import BIN, TAKE_NO_TEXT, peaks


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
            started = time.monotonic()
            megabytes, *_ = peaks([BIN / "assay", "compress", study["model"], *flags_of(variant),
                                   *calibration_of(study, variant), "-o", f"{folder}/{name}"])
            seconds = time.monotonic() - started
        print(f"| {name} | {seconds:.0f} | {megabytes:.0f} |", flush=True)


main()
