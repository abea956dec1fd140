"""What the benchmark writes: JSON for programs, a table and a picture for people."""

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

# The row that is measured twice.
AGAIN = "grpc_aio_bare_again"

# Rows against which ratios are told: (row, base, at most or None).
TARGETS = (
    (AGAIN, "grpc_aio_bare", None),
    ("bedplate_grpc", "grpc_aio_bare", 1.25),
    ("bedplate_grpc", "grpc_aio_bare_tuned", None),
    ("bedplate_grpc", "grpc_interceptor_chain", 0.5),
    ("bedplate_http", "fastapi_stub", 0.12),
    ("bedplate_http", "fastapi_alone", 0.5),
    ("bedplate_http", "go_gateway", 0.22),
    ("bedplate_http", "envoy_gateway", 0.22),
    ("bedplate_http", "go_all", 1.3),
)

# A run whose A/A median leaves this is repeated, not judged.
AA_RANGE = (0.97, 1.03)


@dataclass(slots=True)
class Measured:
    """What the rounds of one row gave, one item a round."""

    cpu_us: list[float] = field(default_factory=list)
    calls_per_s: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)


def ratio(rows: dict[str, Measured], row: str, base: str) -> float | None:
    """Median over the rounds of a row's CPU per call against another's; None when one is missing."""
    if row not in rows or base not in rows:
        return None
    return statistics.median(a / b for a, b in zip(rows[row].cpu_us, rows[base].cpu_us, strict=True))


def as_json(rows: dict[str, Measured]) -> str:
    """The stable form: a list of `{id, cpu_us_per_call, calls_per_s, p50_ms, p99_ms, rounds}`."""
    return json.dumps(
        [
            {
                "id": name,
                "cpu_us_per_call": round(statistics.median(row.cpu_us), 1),
                "calls_per_s": round(statistics.median(row.calls_per_s), 1),
                "p50_ms": round(statistics.median(row.p50_ms), 3),
                "p99_ms": round(statistics.median(row.p99_ms), 3),
                "rounds": len(row.cpu_us),
            }
            for name, row in rows.items()
        ],
        indent=2,
    )


def as_markdown(rows: dict[str, Measured], titles: dict[str, str]) -> str:
    """Two tables: the rows, and the ratios that are promised."""
    lines = [
        "| row | what | CPU us per call | calls per s | p50 ms | p99 ms | rounds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{item['id']}` | {titles.get(item['id'], '')} | {item['cpu_us_per_call']:.0f} "
        f"| {item['calls_per_s']:.0f} | {item['p50_ms']:.2f} | {item['p99_ms']:.2f} | {item['rounds']} |"
        for item in json.loads(as_json(rows))
    ]
    lines += ["", "| ratio of CPU per call, median of pairs | measured | promised |", "|---|---:|---:|"]
    for row, base, limit in TARGETS:
        value = ratio(rows, row, base)
        if value is not None:
            promised = (
                f"at most {limit}" if limit else "" if row != AGAIN else f"{AA_RANGE[0]} to {AA_RANGE[1]}"
            )
            lines.append(f"| `{row}` / `{base}` | {value:.3f} | {promised} |")
    return "\n".join(lines) + "\n"


def picture(rows: dict[str, Measured], path: Path) -> None:
    """A bar for each row: CPU per call, with the range of the rounds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(rows)
    medians = [statistics.median(rows[name].cpu_us) for name in names]
    low = [median - min(rows[name].cpu_us) for name, median in zip(names, medians, strict=True)]
    high = [max(rows[name].cpu_us) - median for name, median in zip(names, medians, strict=True)]
    colours = ["#2c6e49" if name.startswith("bedplate") else "#9aa5b1" for name in names]
    figure, axes = pyplot.subplots(figsize=(9, 0.6 * len(names) + 1.2))
    axes.barh(names, medians, xerr=[low, high], color=colours, capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel("CPU microseconds per call, all server processes (median, range of rounds)")
    for index, median in enumerate(medians):
        axes.text(median, index, f"  {median:.0f}", va="center")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
