#!/usr/bin/env bash
# run.sh SCRIPT ASSAY: a comparison with other software, or exit 77 (skipped) with the reason where that is not there.
cache=${ASSAY_CACHE:-$HOME/.cache/assay}
python=$cache/peers/bin/python
[ -x "$python" ] || { echo "no peers environment in $cache/peers: run 'make peers'"; exit 77; }
[ -e "$cache/smollm2-0.1.2" ] || { echo "no model in $cache: run 'make setup'"; exit 77; }
exec "$python" "$@"
