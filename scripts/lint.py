#!/usr/bin/env python3
"""Format and lint: `make lint`, or scripts/lint.py [FILE.cpp...] for some files alone; --format leaves clang-tidy out.

Links between the pages of the documentation must lead somewhere.

clang-format-14 checks every C++ file. clang-tidy-14 checks the sources (tests and benchmarks aside) that changed
since they last passed: $ASSAY_CACHE/lint/ holds an empty file per pass, named by the hash of the source, of the
project headers that it includes, and of .clang-tidy. So a fresh clone repeats no work, and a new machine checks all;
with --changed only what the commits of the day before HEAD touched (a header: through its own source).
"""
import concurrent.futures
import datetime
import hashlib
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSED = pathlib.Path(os.environ.get("ASSAY_CACHE") or pathlib.Path.home() / ".cache/assay") / "lint"
UNTIDIED = re.compile(r"_(test|bench)\.cpp$")


def cpp_files():
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "*.h", "*.cpp").split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


def dead_links():
    """Relative links of the Markdown pages that name no file."""
    dead = []
    for page in map(ROOT.joinpath, git("ls-files", "*.md").split()):
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
            if not (page.parent / link).exists():
                dead.append(f"{page.relative_to(ROOT)}: {link}: no such file")
    return dead


def closure(path, seen):
    """Adds to `seen` the file and every project header it includes, however deep."""
    if path in seen or not path.exists():
        return seen
    seen.add(path)
    for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
        closure(ROOT / "src" / name, seen)
    return seen


def pass_record(source):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for path in sorted(closure(source, set())):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return PASSED / digest.hexdigest()


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def lately_changed():
    """Sources that the commits of the day before HEAD's touched, themselves or by their header."""
    head = datetime.datetime.fromtimestamp(int(git("log", "-1", "--format=%ct")), datetime.timezone.utc)
    since = (head - datetime.timedelta(days=1)).isoformat()
    names = git("log", f"--since={since}", "--name-only", "--format=").split()
    return {ROOT / re.sub(r"\.h$", ".cpp", name) for name in names}


def tidy(source):
    """The findings in one source, or '' where there are none."""
    done = subprocess.run(["clang-tidy-14", "--quiet", "-p", ROOT / "build/lint", source],
                          capture_output=True, text=True)
    if done.returncode == 0:
        pass_record(source).touch()
        return ""
    return done.stdout or done.stderr


def main(arguments):
    options = {argument for argument in arguments if argument.startswith("--")}
    if options - {"--format", "--changed"}:
        sys.exit(__doc__)
    files = [pathlib.Path(a).resolve() for a in arguments if a not in options] or cpp_files()
    formatted = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files]).returncode == 0
    tidied = [] if "--format" in options else [f for f in files if f.suffix == ".cpp" and not UNTIDIED.search(f.name)]
    if "--changed" in options:
        lately = lately_changed()
        tidied = [f for f in tidied if f in lately]

    PASSED.mkdir(parents=True, exist_ok=True)
    changed = [f for f in tidied if not pass_record(f).exists()]
    if changed:
        # clang-tidy reads libtorch's headers from the precompiled one in half the time.
        for command in (["cmake", "--preset", "lint"], ["cmake", "--build", "build/lint", "--target", "assay_pch"]):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"lint: {' '.join(command)}: {done.stdout}{done.stderr}")
        # The fuzz targets lie outside this build; what they include is checked through its own sources.
        known = (ROOT / "build/lint/compile_commands.json").read_text()
        changed = [f for f in changed if f'"{f}"' in known]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [found for found in pool.map(tidy, changed) if found]
    dead = dead_links()
    for found in findings + dead:
        print(found)
    if not formatted:
        print("lint: run clang-format-14 -i on the files above")
    print(f"lint: {len(files)} files checked by clang-format, {len(changed)} by clang-tidy, {len(findings)} with findings")
    return 0 if formatted and not findings and not dead else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
