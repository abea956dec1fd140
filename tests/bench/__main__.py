"""`make bench`: interleaved rounds over all rows, medians of pair ratios.

Two noisy cores: servers run on one, the load on the other; every round visits
every row, in alternating order, and only ratios within a round are judged.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

import uvloop

from tests.bench import load, report
from tests.bench.rows import LOAD_CPU, REFUSING_ROWS, ROWS, Running
from tests.bench.tools import Missing

BUILD = Path("build")
ATTEMPTS = 2


def main() -> None:
    """Run, write build/bench.{json,md,png}, print the table."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default="", help="ids of rows, separated by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.8, help="length of one round of one row")
    arguments = parser.parse_args()
    known = {row.id for row in (*ROWS, *REFUSING_ROWS)}
    only = [name for name in arguments.only.split(",") if name]
    if unknown := set(only) - known:
        raise SystemExit(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    rows = [row for row in (*ROWS, *REFUSING_ROWS) if row.id in only] if only else list(ROWS)
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {LOAD_CPU})
    for attempt in range(1, ATTEMPTS + 1):
        measured = measure([row.id for row in rows], arguments.rounds, arguments.seconds)
        same = report.ratio(measured, "grpc_aio_bare_again", "grpc_aio_bare")
        if same is None or report.AA_RANGE[0] <= same <= report.AA_RANGE[1]:
            break
        print(f"A/A is {same:.3f}: the machine was too noisy to judge", file=sys.stderr)
        if attempt < ATTEMPTS:
            print("measuring again", file=sys.stderr)
    write(measured, {row.id: row.title for row in rows})
    if not only:
        # Imported late: the stages tune gRPC core through the environment, which servers inherit.
        from tests.bench import codecs, stages

        conversions = codecs.measure()
        medians = {name: statistics.median(costs) for name, costs in conversions.items()}
        add(medians, codecs.as_markdown(conversions))
        costs = stages.measure()
        add(costs, stages.as_markdown(costs))


def add(costs: dict[str, float], table: str) -> None:
    """Add what was measured in process to the report."""
    path = BUILD / "bench.json"
    rows = [{"id": name, "cpu_us_per_call": round(cost, 2)} for name, cost in costs.items()]
    kept = [item for item in json.loads(path.read_text()) if item["id"] not in costs]
    path.write_text(json.dumps(kept + rows, indent=2) + "\n")
    with (BUILD / "bench.md").open("a") as report_file:
        report_file.write("\n" + table)
    print(table)


def measure(ids: list[str], rounds: int, seconds: float) -> dict[str, report.Measured]:
    """Start the rows' servers, load them in turn, stop them."""
    running: list[Running] = []
    try:
        for row in (*ROWS, *REFUSING_ROWS):
            if row.id in ids:
                try:
                    running.append(Running.start(row))
                except Missing as missing:
                    print(f"{row.id} is left out: {missing}", file=sys.stderr)
        measured = {row.row.id: report.Measured() for row in running}
        for server in running:  # warm up: caches, plans, the allocator
            uvloop.run(load.run(server.connections, seconds / 2))
        for number in range(rounds):
            for server in running if number % 2 == 0 else reversed(running):
                one_round(server, seconds, measured[server.row.id])
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    finally:
        for server in running:
            server.stop()
    return measured


def one_round(server: Running, seconds: float, into: report.Measured) -> None:
    """Load one row for a time and note what it cost."""
    before = server.cpu_s()
    result = uvloop.run(load.run(server.connections, seconds))
    used = server.cpu_s() - before
    if result.failed or not result.ok:
        raise SystemExit(f"{server.row.id}: {result.failed} of {result.ok + result.failed} calls failed")
    latencies = sorted(result.latencies_s)
    into.cpu_us.append(used / result.ok * 1e6)
    into.calls_per_s.append(result.ok / result.seconds)
    into.p50_ms.append(statistics.median(latencies) * 1000)
    into.p99_ms.append(latencies[int(len(latencies) * 0.99)] * 1000)


def write(measured: dict[str, report.Measured], titles: dict[str, str]) -> None:
    """Write the three forms; rows of an earlier run that this one left out stay in the JSON."""
    BUILD.mkdir(exist_ok=True)
    path = BUILD / "bench.json"
    fresh = json.loads(report.as_json(measured))
    kept = json.loads(path.read_text()) if path.exists() else []
    ids = {item["id"] for item in fresh}
    path.write_text(json.dumps([item for item in kept if item["id"] not in ids] + fresh, indent=2) + "\n")
    table = report.as_markdown(measured, titles)
    (BUILD / "bench.md").write_text(table)
    report.picture(measured, BUILD / "bench.png")
    print(table)


if __name__ == "__main__":
    main()
