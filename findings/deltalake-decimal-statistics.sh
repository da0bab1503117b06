#!/usr/bin/env bash
# deltalake 1.6.6 for Python (delta-rs), a table with a decimal(38, 0) column, as exact byte figures are kept in.
#
# Expected: the log's minValues and maxValues are the value itself, or bounds that include it, so that a query for the
#           value finds its row whatever its size.
# Seen:     the bounds pass through a double and end at those of a 64-bit integer: 2^53 + 1 is recorded as 2^53, and 2^63 as
#           2^63 - 1. The value lies outside its own file's bounds, the file is skipped, and no row is returned.
set -euo pipefail
. "$(dirname "$0")/python.sh"
in_python deltalake==1.6.6 pyarrow==26.0.1 <<'PYTHON'
import glob
import json
import shutil
from decimal import Decimal

import deltalake
import pyarrow as pa

print("deltalake", deltalake.__version__)


def recorded_and_found(value):
    shutil.rmtree("table", ignore_errors=True)
    column = pa.array([Decimal(value)], pa.decimal128(38, 0))
    deltalake.write_deltalake("table", pa.table({"bytes": column}))
    lines = [line for log in glob.glob("table/_delta_log/*.json") for line in open(log)]
    added = [json.loads(line)["add"] for line in lines if '"add"' in line]
    stats = json.loads(added[0]["stats"])
    query = f"SELECT bytes FROM t WHERE bytes = CAST('{value}' AS DECIMAL(38, 0))"
    rows = deltalake.QueryBuilder().register("t", deltalake.DeltaTable("table")).execute(query).read_all()
    return stats["minValues"]["bytes"], stats["maxValues"]["bytes"], rows.num_rows


seen = {}
for name, value in {"2^53": 2**53, "2^53 + 1": 2**53 + 1, "2^63": 2**63}.items():
    seen[name] = recorded_and_found(value)
    low, high, rows = seen[name]
    print(f"{name} = {value}: recorded {low} to {high}, rows found {rows}, expected 1")

assert seen["2^53"] == (2**53, 2**53, 1), "a value that a double holds is found"
assert seen["2^53 + 1"] == (2**53, 2**53, 0), "the behaviour has changed"
assert seen["2^63"] == (2**63 - 1, 2**63 - 1, 0), "the behaviour has changed"
PYTHON
