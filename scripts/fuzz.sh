#!/usr/bin/env bash
# scripts/fuzz.sh SECONDS: every libFuzzer target (src/*/*_fuzz.cpp, ASan and UBSan on) for SECONDS, two at a time.
# Starts from tests/seeds/TARGET/ and what earlier runs found worth keeping (build/fuzz/corpus/). A finding ends
# with exit code 1 and leaves its input in build/fuzz/findings/.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS}

cmake --preset fuzz >build/fuzz-configure.log 2>&1 || { cat build/fuzz-configure.log >&2; exit 2; }
cmake --build --preset fuzz
mkdir -p build/fuzz/findings

fuzz_one() {
  local binary=$1 seconds=$2 target log seeds=()
  target=$(basename "$binary")
  log=build/fuzz/$target.log
  mkdir -p "build/fuzz/corpus/$target"
  [ -d "tests/seeds/$target" ] && seeds=("tests/seeds/$target")
  if "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
      -artifact_prefix="build/fuzz/findings/$target-" "build/fuzz/corpus/$target" "${seeds[@]}" >"$log" 2>&1; then
    echo "fuzz: $target: no finding, $(tail -n1 "$log")"
  else
    tail -n 60 "$log"
    echo "fuzz: $target: FINDING, see build/fuzz/findings/ and $log"
    return 1
  fi
}
export -f fuzz_one
printf '%s\0' build/fuzz/bin/*_fuzz | xargs -0 -P 2 -I{} bash -c 'fuzz_one "$1" "$2"' _ {} "$seconds" || exit 1
