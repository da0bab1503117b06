#!/usr/bin/env python3
"""One lake served by Sectorscope, ROAPI and Datasette: a Markdown table of requests a second and of the time that 99 of 100
requests stay below.

Each runs alone, one after another in one run, and is asked by wrk for the same rows, of another miner each time. Beside
them stands a server that does no more than give the same bytes from memory with the same axum. Before it is measured, each
server's answer is looked at: it must have the rows that are asked for.
"""

import argparse
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAYS = 365
PORTS = {"Sectorscope": 8471, "constant": 8472, "ROAPI": 8473, "Datasette": 8474}
COLUMNS = ["stat_date", "miner_id", "daily_sector_onboarding_count", "daily_sector_onboarding_rbp",
           "daily_sector_onboarding_qap", "total_num_sector", "total_sector_rbp", "total_sector_qap"]
ENDPOINT = "/v2/storage_provider/sector/total"
ONE_DAY, ALL, YEAR = "one miner's day", "all miners of a day", "one miner's year"


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def exported(arguments, first, last):
    """The year's rows as Parquet and, with an index by day and miner and one by miner and day, in SQLite."""
    parquet, database = arguments.work / "total.parquet", arguments.work / "total.db"
    if not parquet.exists():
        command = [arguments.ours, "export", "rows", "--data", arguments.data, "--from", first, "--to", last,
                   "--columns", "total", "--format", "parquet", "--out", parquet]
        subprocess.run(command, check=True)
    if not database.exists():
        import pyarrow.parquet

        partial = database.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        connection = sqlite3.connect(partial)
        kinds = ["TEXT"] + ["INTEGER"] * (len(COLUMNS) - 1)
        declared = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, kinds))
        connection.execute(f"CREATE TABLE total ({declared}, PRIMARY KEY (stat_date, miner_id)) WITHOUT ROWID")
        for batch in pyarrow.parquet.ParquetFile(parquet).iter_batches(columns=COLUMNS):
            rows = (tuple([str(row["stat_date"])] + [int(row[name]) for name in COLUMNS[1:]]) for row in batch.to_pylist())
            connection.executemany(f"INSERT INTO total VALUES ({','.join('?' * len(COLUMNS))})", rows)
        connection.execute("CREATE INDEX of_miner ON total (miner_id, stat_date)")
        connection.commit()
        connection.execute("ANALYZE")
        connection.close()
        partial.rename(database)
    return parquet, database


def servers(arguments, parquet, database, files):
    """What starts each server."""
    local = {name: f"127.0.0.1:{port}" for name, port in PORTS.items()}
    scripts = Path(sys.executable).parent
    return {
        "Sectorscope": [arguments.ours, "serve", "--data", arguments.data, "--listen", local["Sectorscope"]],
        "constant": [arguments.constant, local["constant"]] + [f"{path}={file}" for path, file in files.items()],
        "ROAPI": [scripts / "roapi", "--addr-http", local["ROAPI"], "--addr-postgres", "127.0.0.1:0",
                  "--table", f"total={parquet}"],
        "Datasette": [scripts / "datasette", "serve", "--immutable", database, "--port", str(PORTS["Datasette"]),
                      "--setting", "max_returned_rows", "10000", "--setting", "sql_time_limit_ms", "10000",
                      "--setting", "suggest_facets", "off"],
    }


def paths(name, first, last, miners):
    """What each is asked for, by task: several paths, asked in turn."""
    if name == "Sectorscope":
        of_total = ",".join(COLUMNS[2:])
        return {
            ONE_DAY: [f"{ENDPOINT}?state_date={last}&miner_id=f0{miner}" for miner in miners],
            ALL: [f"{ENDPOINT}?state_date={last}"],
            YEAR: [f"/v1/sectors/daily?miner=f0{miner}&from={first}&to={last}&columns={of_total}" for miner in miners],
        }
    if name == "constant":
        return {ONE_DAY: ["/one"], ALL: ["/all"], YEAR: ["/year"]}
    if name == "ROAPI":
        table = "/api/tables/total?"
        return {
            ONE_DAY: [f"{table}filter[stat_date]=%27{last}%27&filter[miner_id]={miner}" for miner in miners],
            ALL: [f"{table}filter[stat_date]=%27{last}%27"],
            YEAR: [f"{table}filter[miner_id]={miner}" for miner in miners],
        }
    table = "/total/total.json?_shape=array&_size=max&_nocount=1&"
    return {
        ONE_DAY: [f"{table}stat_date={last}&miner_id={miner}" for miner in miners],
        ALL: [f"{table}stat_date={last}"],
        YEAR: [f"{table}miner_id={miner}" for miner in miners],
    }


def rows(body):
    """The rows of an answer."""
    if body.startswith(b"{"):
        answer = json.loads(body)
        return answer.get("data", answer.get("rows", []))
    return json.loads(body)


def wait(name, process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"{name} ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORTS[name]}/", timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{name} does not listen")


def measure(arguments, name, asked):
    """Requests a second, and the 99th percentile in milliseconds."""
    script = arguments.work / "ask.lua"
    listed = ",\n".join(json.dumps(path) for path in asked)
    script.write_text(
        f"local paths = {{ {listed} }}\nlocal asked, at = {{}}, 0\n"
        "init = function() for i, path in ipairs(paths) do asked[i] = wrk.format('GET', path) end end\n"
        "request = function() at = at % #asked + 1; return asked[at] end\n"
    )
    command = ["wrk", "--latency", "--threads", "1", "--connections", str(arguments.connections),
               "--duration", f"{arguments.seconds}s", "--timeout", "60s", "--script", script,
               f"http://127.0.0.1:{PORTS[name]}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        print(f"{name}: {said}", file=sys.stderr)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", said).groups()
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Sectorscope's data directory")
    parser.add_argument("--last", required=True, help="the lake's last day, YYYY-MM-DD")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "serving", help="where to keep what is made")
    parser.add_argument("--ours", default=ROOT / "target" / "release" / "sectorscope")
    parser.add_argument("--constant", default=ROOT / "target" / "release" / "examples" / "constant")
    parser.add_argument("--seconds", type=int, default=10, help="how long each is asked")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="*", help="these servers alone")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    last = time.strptime(arguments.last, "%Y-%m-%d")
    first = time.strftime("%Y-%m-%d", time.gmtime(time.mktime(last) - time.timezone - (DAYS - 1) * 86400))
    parquet, database = exported(arguments, first, arguments.last)
    miners = list(range(1000, 6000, 5))

    files = {f"/{name}": arguments.work / f"{name}.json" for name in ("one", "all", "year")}
    started = servers(arguments, parquet, database, files)
    found = {}
    for name, command in started.items():
        if arguments.only and name not in arguments.only:
            continue
        log = open(arguments.work / f"{name}.log", "w")
        environment = {**os.environ, "RUST_LOG": "warn"}
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=environment)
        try:
            wait(name, process)
            base = f"http://127.0.0.1:{PORTS[name]}"
            for task, asked in paths(name, first, arguments.last, miners).items():
                try:
                    body = fetch(base + asked[0])
                except urllib.error.HTTPError as refused:
                    print(f"{name} does not give {task}: {refused}", file=sys.stderr)
                    continue
                if name == "Sectorscope":
                    file = files[{ONE_DAY: "/one", ALL: "/all", YEAR: "/year"}[task]]
                    file.write_bytes(body)
                count = len(rows(body))
                measured = measure(arguments, name, asked)
                found[name, task] = (count, len(body), *measured)
                print(name, task, *found[name, task], file=sys.stderr)
            if name == "Sectorscope":
                for file in files.values():
                    if not file.exists():
                        file.write_bytes(b"[]")
        finally:
            process.terminate()
            process.wait()

    names = [name for name in started if any(key[0] == name for key in found)]
    print("| | " + " | ".join(names) + " |\n|---" * 1 + "|" + "---|" * len(names))
    for task in (ONE_DAY, ALL, YEAR):
        if not any(key[1] == task for key in found):
            continue
        cells = []
        for name in names:
            if (name, task) in found:
                count, size, rate, slow = found[name, task]
                cells.append(f"{rate:,.0f}/s, p99 {slow:.1f} ms ({count} rows, {size:,} bytes)")
            else:
                cells.append("")
        print(f"| {task} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
