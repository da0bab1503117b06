#!/usr/bin/env bash
# PyArrow 26.0.1, sums of a decimal128(38, 0) column.
#
# Expected: a sum that does not fit the type is an error or a wider type, as in DuckDB and Polars (errors).
# Seen:     a sum of 39 digits is returned in a type of 38 digits, where it does not pass the library's own validation, and
#           Parquet files are written with it; beyond 2^127 the sum of positive numbers is negative.
set -euo pipefail
. "$(dirname "$0")/python.sh"
in_python pyarrow==26.0.1 <<'PYTHON'
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

print("pyarrow", pa.__version__)
value = Decimal(6) * 10**37
column = lambda count: pa.array([value] * count, pa.decimal128(38, 0))

two = pc.sum(column(2))
print("two of 6e37:", two, two.type)
assert two.type == pa.decimal128(38, 0) and two.as_py() == 2 * value, "the behaviour has changed"
try:
    two.validate(full=True)
    raise SystemExit("the behaviour has changed: the sum is valid")
except pa.ArrowInvalid as error:
    print("validation:", error)

grouped = pa.table({"k": [1, 1], "x": column(2)}).group_by("k").aggregate([("x", "sum")])
pq.write_table(grouped, "grouped.parquet")
read = pq.read_table("grouped.parquet")["x_sum"].to_pylist()
print("written to Parquet and read:", read)
assert read == [2 * value], "the behaviour has changed"

three = pc.sum(column(3))
print("three of 6e37:", three)
assert int(three.as_py()) == 18 * 10**37 - 2**128, "the behaviour has changed"
PYTHON
