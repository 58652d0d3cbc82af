#!/usr/bin/env bash
# Makes the Python environment that parity tests compare assay with (transformers, tokenizers, lm-eval, scipy),
# in $ASSAY_CACHE/peers. Safe to repeat: an interrupted install goes on, a finished one is recognised by the hash
# of its requirements. Without it those tests fall back on their committed golden files. No Python runs in assay.
set -euo pipefail
cache=${ASSAY_CACHE:-$HOME/.cache/assay}
peers=$cache/peers
requirements=$(dirname "$0")/peers-requirements.txt

fail() { echo "peers: $*" >&2; exit 2; }

wanted=$(sha256sum <"$requirements" | cut -d' ' -f1)
if [ "$(cat "$peers/requirements.sha256" 2>/dev/null)" = "$wanted" ] &&
   "$peers/bin/python" -c '' 2>/dev/null; then
  echo "peers: ready ($peers)" >&2
  exit
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "needs python3 3.11 or later; Debian 12 has it as the package python3"
mkdir -p "$cache"
exec 9>"$cache/peers.lock"
flock 9
rm -f "$peers/requirements.sha256"
if ! "$peers/bin/python" -m pip --version >/dev/null 2>&1; then
  python3 -m venv --clear "$peers" >/dev/null ||
    fail "python3 cannot make an environment; Debian's package python3-venv is missing"
fi
echo "peers: installing into $peers" >&2
"$peers/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$requirements" ||
  fail "pip could not install scripts/peers-requirements.txt; run the command again to go on"
# Imports that the parity tests rely on; a package that installs and does not load is found here.
"$peers/bin/python" -c 'import lm_eval, scipy, tokenizers, torch, transformers' ||
  fail "the installed packages do not load; delete $peers and run the command again"
echo "$wanted" >"$peers/requirements.sha256"
echo "peers: ready ($peers)" >&2
