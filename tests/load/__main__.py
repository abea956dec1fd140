"""`make load`: the curves of a server under more load than it can do, as a table and as pictures."""

import argparse
import asyncio
import os
from pathlib import Path

import uvloop

from bedplate.testing.serve import KEY
from tests.bench import load as closed_loop
from tests.bench.rows import LOAD_CPU
from tests.load import contract
from tests.load.measure import Point, measure, server
from tests.load.open_loop import block
from tests.load.picture import Line, Panel, draw

PICTURES = Path("docs/pictures")
BUILD = Path("build")

SCENARIOS = {
    "Narrow": "A narrow place that nobody told the server of: 8 at once, of 20 ms",
    "Slotted": "Slots that the contract declares: 8 of 20 ms, 24 calls may wait",
    "Heavy": "A handler that computes for 5 ms",
    "Cheap": "A handler that does nothing: the loop itself is the narrow place",
}
FACTORS = {
    "Narrow": [0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0],
    "Slotted": [0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0],
    "Heavy": [0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0],
    "Cheap": [0.25, 0.5, 0.75, 1.0, 1.25, 1.5],
}


def main() -> None:
    """Measure, draw, print the table and what must hold."""
    parser = argparse.ArgumentParser(prog="make load")
    parser.add_argument("--only", default="", help=f"of {', '.join(SCENARIOS)}, separated by commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one point")
    parser.add_argument("--bare", action="store_true", help="without load shedding; draws nothing")
    arguments = parser.parse_args()
    wanted = [name for name in SCENARIOS if not arguments.only or name in arguments.only.split(",")]
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {LOAD_CPU})
    table = [
        "| handler | offered | of capacity | goodput, of capacity | CRITICAL | DEFAULT | SHEDDABLE "
        "| late | p99 ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in wanted:
        table += _scenario(name, arguments.seconds, bare=arguments.bare)
    text = "\n".join(table) + "\n"
    BUILD.mkdir(exist_ok=True)
    (BUILD / "load.md").write_text(text)
    print(text)


def _scenario(name: str, seconds: float, *, bare: bool) -> list[str]:
    with server(*(["load_shedding=false"] if bare else [])) as port:
        capacity = _capacity(name, port)
        factors = [*FACTORS[name], 0.5]
        rates = [factor * capacity for factor in factors]
        # The first point warms up; the last one is the recovery, five seconds after.
        points = uvloop.run(measure(name, port, [0.3 * capacity, *rates], seconds))[1:]
        after = uvloop.run(measure(name, port, [0.5 * capacity], seconds))
    rows = [_row(name, factor, capacity, point) for factor, point in zip(factors, points, strict=True)][:-1]
    rows.append(_row(f"{name}, after it", 0.5, capacity, after[0]))
    if not bare:
        PICTURES.mkdir(parents=True, exist_ok=True)
        picture = _picture(name, capacity, FACTORS[name], points[:-1])
        (PICTURES / f"load-{name.lower()}.svg").write_text(picture)
    return rows


def _capacity(name: str, port: int) -> float:
    """Calls a second that the server can do; what only computes is asked as fast as it answers."""
    if name in ("Narrow", "Slotted"):
        return contract.CAPACITY
    message = contract.Request(text="hello").SerializeToString()
    headers = block(port, f"/{contract.SERVICE.full_name}/{name}Critical", KEY, contract.DEADLINE_S)

    def connection(result: closed_loop.Round) -> closed_loop.GrpcConnection:
        return closed_loop.GrpcConnection(result, headers, message, len(message), 2)

    found = []
    for seconds in (0.5, 1.5):
        result = asyncio.run(closed_loop.run([("127.0.0.1", port, [connection] * 8)], seconds))
        found.append(result.ok / result.seconds)
    return found[-1]


def _row(name: str, factor: float, capacity: float, point: Point) -> str:
    shares = " | ".join(f"{point.success(level):.1%}" for level in contract.LEVELS)
    return (
        f"| {name} | {point.offered:,.0f} | {factor:g}x | {point.goodput / capacity:.0%} | {shares} "
        f"| {point.late / sum(point.codes.values()):.1%} | {point.p99_ms():.0f} |"
    )


def _picture(name: str, capacity: float, factors: list[float], points: list[Point]) -> str:
    by_factor = list(zip(factors, points, strict=True))
    top = max(factors)
    goodput = Line("answers in time", [(f, p.goodput / capacity) for f, p in by_factor])
    ideal = Line("what could be", [(0.0, 0.0), (1.0, 1.0), (top, 1.0)], ideal=True)
    shares = [
        Line(level.upper(), [(f, p.success(level)) for f, p in by_factor], colour)
        for colour, level in enumerate(contract.LEVELS)
    ]
    under = (
        f"{capacity:,.0f} calls a second can be done; 10 % of the calls are CRITICAL, 60 % DEFAULT, "
        "30 % SHEDDABLE; deadline 1 s"
    )
    panels = [
        Panel("Answers within the deadline, of the capacity", [goodput, ideal], top=1.2),
        Panel("Share of calls that are answered", shares),
    ]
    return draw(SCENARIOS[name], under, panels, top)


if __name__ == "__main__":
    main()
