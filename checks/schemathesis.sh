#!/usr/bin/env bash
# Tries the served OpenAPI document with schemathesis (PyPI), all checks on, over a lake of the bundled sample.
#
#   checks/schemathesis.sh [CASES]      cases per operation, 2000 by default
#
# SECTORSCOPE names the program (by default the release build), SCHEMATHESIS the command `st`, DATA a data directory with a
# lake in the place of the sample's, RESULT a file for the report. `checks/tools.sh` installs schemathesis.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
program=${SECTORSCOPE:-${CARGO_TARGET_DIR:-$here/target}/release/sectorscope}
st=${SCHEMATHESIS:-st}
cases=${1:-2000}
if ! command -v "$st" >/dev/null; then
    echo "schemathesis is not here: run eval \"\$(checks/tools.sh)\" first, or set SCHEMATHESIS to its command" >&2
    exit 1
fi
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
data=${DATA:-$scratch/data}
if [ -z "${DATA:-}" ]; then
    "$program" ingest car "$here/samples/long.car.zst" --data "$data" >/dev/null
fi
"$program" serve --data "$data" --listen 127.0.0.1:0 >"$scratch/said" 2>"$scratch/log" &
server=$!
for _ in $(seq 100); do
    base=$(sed -n 's/^serving //p' "$scratch/said")
    [ -n "$base" ] && break
    sleep 0.1
done
[ -n "$base" ] || { cat "$scratch/log" >&2; exit 1; }
cd "$scratch"
outcome=0
"$st" run "$base/openapi.json" --checks all --max-examples "$cases" \
    --continue-on-failure --workers "${WORKERS:-2}" 2>&1 | tee "${RESULT:-$scratch/result}" || outcome=$?
if ! kill -0 "$server" 2>/dev/null; then
    echo "the server has ended" >&2
    exit 1
fi
exit "$outcome"
