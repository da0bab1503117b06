#!/usr/bin/env bash
# The mean of the integers 2^63 + 1, 2^63 + 2 and 2^63 + 4 in a decimal(38, 0) column of one Parquet file, by four engines.
# It is 9223372036854775810 and a third.
#
# Expected: a decimal with some digits behind the point in each.
# Seen:     DuckDB and Polars return a double, which ends at 16 digits; PyArrow returns decimal128(38, 0), so that the mean of
#           1 and 2 is 2; DataFusion alone keeps every digit and adds four.
set -euo pipefail
. "$(dirname "$0")/python.sh"
in_python duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1 datafusion==55.0.0 <<'PYTHON'
from decimal import Decimal

import datafusion
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

values = [Decimal(2**63 + add) for add in (1, 2, 4)]
table = pa.table({"x": pa.array(values, pa.decimal128(38, 0))})
pq.write_table(table, "x.parquet")

context = datafusion.SessionContext()
context.register_parquet("t", "x.parquet")
seen = {
    f"DuckDB {duckdb.__version__}": duckdb.sql("SELECT avg(x) FROM 'x.parquet'").fetchall()[0][0],
    f"Polars {pl.__version__}": pl.read_parquet("x.parquet")["x"].mean(),
    f"PyArrow {pa.__version__}": pc.mean(table["x"]).as_py(),
    f"DataFusion {datafusion.__version__}": context.sql("SELECT avg(x) AS m FROM t").collect()[0]["m"][0].as_py(),
}
for engine, mean in seen.items():
    print(f"{engine}: {mean!r}")
small = pc.mean(pa.array([Decimal(1), Decimal(2)], pa.decimal128(38, 0))).as_py()
print("PyArrow, mean of 1 and 2:", small)

duck, polars, arrow, fusion = seen.values()
double = float(2**63 + 2)
assert (type(duck), duck) == (float, double), "DuckDB has changed"
assert (type(polars), polars) == (float, double), "Polars has changed"
assert arrow == 2**63 + 2 and small == 2, "PyArrow has changed"
assert fusion == Decimal("9223372036854775810.3333"), "DataFusion has changed"
PYTHON
