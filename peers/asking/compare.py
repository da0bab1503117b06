#!/usr/bin/env python3
"""The day close's SQL, day after day, here and in DuckDB, Polars and chDB: a Markdown table of time and peak memory.

All read the same files of `sector_events`, run the same statement (as `day_close statement` prints it, but for the
replacements below), feed each day's rows to the next, and have two threads. Each runs in a process of its own, one after
another, in several rounds. The last day's rows must be those of the lake, or it stops.
"""

import argparse
import decimal
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
OURS = "Sectorscope"


def files(lake, table):
    """A table's files, by the day in their names."""
    return {path.name[:10]: path for path in sorted((lake / table).glob("*.parquet"))}


class DuckDb:
    """Takes the statement as it is."""

    def __init__(self, statement, empty):
        import duckdb

        self.statement = statement
        self.connection = duckdb.connect(config={"threads": THREADS})
        self.run(f"CREATE TABLE previous AS SELECT * EXCLUDE stat_date FROM read_parquet('{empty}') LIMIT 0")

    def run(self, sql):
        return self.connection.execute(sql)

    def close(self, events):
        self.run(f"CREATE OR REPLACE VIEW events AS SELECT * FROM read_parquet('{events}')")
        self.run(f"CREATE TABLE closed AS {self.statement}")
        self.run("DROP TABLE previous")
        self.run("ALTER TABLE closed RENAME TO previous")

    def rows(self):
        return self.connection.sql("SELECT * FROM previous ORDER BY miner_id").to_arrow_table()


class ChDb:
    """Takes the statement as it is, with settings for what standard SQL says of NULL, joins and names."""

    SETTINGS = {
        "max_threads": THREADS,
        "join_use_nulls": 1,
        "cast_keep_nullable": 1,
        "aggregate_functions_null_for_empty": 1,
        "prefer_column_name_to_alias": 1,
        "data_type_default_nullable": 0,
    }

    def __init__(self, statement, empty):
        from chdb.session import Session

        self.statement = statement
        self.session = Session()
        for name, value in self.SETTINGS.items():
            self.session.query(f"SET {name} = {value}")
        self.session.query("CREATE DATABASE IF NOT EXISTS day ENGINE = Atomic")
        self.session.query("USE day")
        self.empty = empty
        self.session.query(
            "CREATE TABLE previous ENGINE = Memory AS "
            f"SELECT * EXCEPT stat_date FROM file('{empty}', Parquet) LIMIT 0"
        )

    def close(self, events):
        self.session.query(f"CREATE OR REPLACE VIEW events AS SELECT * FROM file('{events}', Parquet)")
        self.session.query(f"CREATE TABLE closed ENGINE = Memory AS {self.statement}")
        self.session.query("DROP TABLE previous")
        self.session.query("RENAME TABLE closed TO previous")

    def rows(self):
        import io

        import pyarrow.parquet

        answer = self.session.query("SELECT * FROM previous ORDER BY miner_id", "Parquet")
        return pyarrow.parquet.read_table(io.BytesIO(answer.bytes()))


class Polars:
    """Its SQL knows no FILTER, so `sum(x) FILTER (WHERE c)` becomes `sum(CASE WHEN c THEN x END)`, and the same for
    count."""

    def __init__(self, statement, empty):
        os.environ["POLARS_MAX_THREADS"] = str(THREADS)
        import polars

        self.polars = polars
        self.statement = without_filter(statement)
        self.previous = polars.read_parquet(empty).drop("stat_date").clear()

    def close(self, events):
        tables = {"events": self.polars.scan_parquet(events), "previous": self.previous.lazy()}
        self.previous = self.polars.SQLContext(tables).execute(self.statement, eager=True)

    def rows(self):
        return self.previous.sort("miner_id").to_arrow()


def without_filter(statement):
    filtered = re.compile(r"(sum\(|count\(DISTINCT )(\w+)\) FILTER \(WHERE (.*)\) AS (d\d+)")
    return filtered.sub(r"\1CASE WHEN \3 THEN \2 END) AS \4", statement)


ENGINES = {"DuckDB": DuckDb, "Polars": Polars, "chDB": ChDb}
PACKAGES = {"DuckDB": "duckdb", "Polars": "polars", "chDB": "chdb-core"}


def close_with(name, lake, statement):
    """Closes all days; prints the seconds that took, and how the last day's rows differ from the lake's."""
    days, stored = files(lake, "sector_events"), files(lake, "sp_sector_daily")
    empty = next(iter(stored.values()))
    start = time.perf_counter()
    engine = ENGINES[name](statement, empty)
    for events in days.values():
        engine.close(events)
    print(f"{time.perf_counter() - start:.3f}")
    # What follows is not measured; but memory is, so it is done elsewhere where there is much of it.
    import pyarrow.parquet

    wanted = pyarrow.parquet.read_table(stored[max(days)]).drop_columns("stat_date")
    print(differences(engine.rows(), wanted))


def differences(rows, wanted):
    """`same`, or what is not."""
    if rows.num_rows != wanted.num_rows or rows.column_names != wanted.column_names:
        return f"{rows.num_rows} rows of {rows.num_columns} columns, not {wanted.num_rows} of {wanted.num_columns}"
    found = []
    for name in wanted.column_names:
        ours, theirs = wanted[name].to_pylist(), rows[name].to_pylist()
        if isinstance(ours[0], float):
            bits = lambda value: struct.unpack("<q", struct.pack("<d", value))[0]
            apart = max((abs(bits(a) - bits(b)) for a, b in zip(ours, theirs)), default=0)
            if apart:
                unequal = sum(a != b for a, b in zip(ours, theirs))
                found.append(f"{name}: {unequal} of {len(ours)} doubles differ, by at most {apart} units in the last place")
        elif [decimal.Decimal(value) for value in ours] != [decimal.Decimal(value) for value in theirs]:
            found.append(f"{name}: integers differ")
    return "; ".join(found) or "same"


def child(command):
    """Runs it; its lines, and its peak memory in MB."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        lines = process.stdout.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command[:4]))} …: exit {process.returncode}")
    return lines, usage.ru_maxrss / 1024


def compare(options):
    from importlib.metadata import version

    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples"
    if not options.lake.exists():
        made = ["--days", str(options.days), "--events-per-day", str(options.events)]
        subprocess.run([built / "synthetic", options.lake, *made], check=True)
    statement, _ = child([built / "day_close", "statement"])
    sql = options.lake.with_suffix(".sql")
    sql.write_text("\n".join(statement))
    commands = {OURS: [built / "day_close", "run", options.lake]}
    for name in ENGINES:
        commands[name] = [sys.executable, __file__, "--engine", name, "--statement", sql, "--lake", options.lake]
    seconds, peaks, found = {}, {}, {}
    for _ in range(options.rounds):
        for name in options.only or commands:
            lines, peak = child(commands[name])
            seconds.setdefault(name, []).append(float(lines[0]))
            peaks.setdefault(name, []).append(peak)
            found[name] = lines[1] if len(lines) > 1 else "same"
            print(f"{name}: {lines[0]} s, {peak:.0f} MB, {found[name]}", file=sys.stderr)
    middle = lambda values: sorted(values)[len(values) // 2]
    print("| engine | time ÷ DuckDB's | seconds, median | all rounds | peak memory | rows |\n|---|---|---|---|---|---|")
    for name in seconds:
        ratio = middle(seconds[name]) / middle(seconds["DuckDB"]) if "DuckDB" in seconds else float("nan")
        label = name if name == OURS else f"{name} {version(PACKAGES[name])}"
        rounds = ", ".join(f"{value:.1f}" for value in seconds[name])
        print(
            f"| {label} | {ratio:.2f} | {middle(seconds[name]):.1f} | {rounds} "
            f"| {max(peaks[name]):.0f} MB | {found[name]} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, default=ROOT / "target" / "asking")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[OURS, *ENGINES])
    parser.add_argument("--engine", choices=list(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--statement", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        close_with(options.engine, options.lake, options.statement.read_text())
    else:
        compare(options)


if __name__ == "__main__":
    main()
