#!/usr/bin/env python3
"""What the last ctest run in BUILD_DIR skipped: `scripts/skips.py BUILD_DIR [--allowed FILE]`.

Prints each skipped test with its reason. With --allowed, a skipped test that FILE does not list (a name a line, then
two spaces and why it may be skipped) is an error: a test that silently stops running is no longer a test.
"""
import argparse
import pathlib
import re
import sys


def skipped_tests(log):
    """Name -> reason, from ctest's full log: gtest's cases, and whole ctest entries that exit with the skip code."""
    skipped = {}
    entry, reason = "", ""
    for line in log.splitlines():
        if match := re.match(r"\d+/\d+ Testing: (.*)", line):
            entry = match[1]
        elif line.startswith("[ RUN      ]"):
            reason = ""
        elif match := re.match(r"\[  SKIPPED \] (\S+) \(\d+ ms\)", line):
            skipped[match[1]] = reason
        elif line.startswith("Test Skipped"):
            skipped[entry] = reason
        elif line.strip() and not line.startswith("["):
            reason = line.strip()
    return skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir", type=pathlib.Path)
    parser.add_argument("--allowed", type=pathlib.Path)
    arguments = parser.parse_args()
    skipped = skipped_tests((arguments.build_dir / "Testing/Temporary/LastTest.log").read_text(errors="replace"))
    for name, reason in sorted(skipped.items()):
        print(f"skipped: {name}: {reason}")
    if not arguments.allowed:
        return 0
    allowed = {line.split("  ")[0].strip() for line in arguments.allowed.read_text().splitlines()
               if line.strip() and not line.startswith("#")}
    unexpected = sorted(set(skipped) - allowed)
    for name in unexpected:
        print(f"skips: {name} was skipped and is not in {arguments.allowed}", file=sys.stderr)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
