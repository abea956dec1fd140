"""What writing and reading the payment as JSON costs, in one interleaved run: rows `codec_*`.

Ours between messages of upb and JSON; json_format does the same; Go's
protojson and protobuf-py do it with messages of their own. All run on the
core of the servers. CPU of the whole process, so that Go's collector counts.
"""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.codec.encode import encode_message
from tests.bench import contract, tools
from tests.bench.rows import SERVER_CPU

CALLS = 500
ROUNDS = 21

# What is promised: (row, base, at most).
TARGETS = (
    ("codec_write", "codec_write_go", 1.1),
    ("codec_read", "codec_read_go", 1.1),
    ("codec_write", "codec_write_json_format", 0.2),
    ("codec_read", "codec_read_json_format", 0.2),
)

# Gives what one of so many calls cost, us of CPU.
Timer = Callable[[int], float]


def measure(rounds: int = ROUNDS) -> dict[str, list[float]]:
    """CPU of one conversion in us, by row, one item a round; rows without their tool are left out."""
    allowed = os.sched_getaffinity(0)
    # The benchmark has put itself where its load is made.
    if os.cpu_count() != 1:
        os.sched_setaffinity(0, {SERVER_CPU})
    try:
        with contextlib.ExitStack() as stack:
            timers = _python()
            with contextlib.suppress(tools.Missing):
                timers |= stack.enter_context(_go())
            return _interleaved(timers, rounds)
    finally:
        os.sched_setaffinity(0, allowed)


def _interleaved(timers: dict[str, Timer], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in timers}
    for timer in timers.values():  # warm up
        timer(CALLS)
    for number in range(rounds):
        for name in timers if number % 2 == 0 else reversed(timers):
            found[name].append(timers[name](CALLS))
    return found


def ratio(found: dict[str, list[float]], row: str, base: str) -> float | None:
    """Median over the rounds of a row's cost against another's; None when one is missing."""
    if row not in found or base not in found:
        return None
    return statistics.median(a / b for a, b in zip(found[row], found[base], strict=True))


def as_markdown(found: dict[str, list[float]]) -> str:
    """Two tables: the rows, and the ratios that are promised."""
    lines = ["| row | CPU us per message |", "|---|---:|"]
    lines += [f"| `{name}` | {statistics.median(costs):.1f} |" for name, costs in found.items()]
    lines += ["", "| ratio, median of pairs | measured | promised |", "|---|---:|---:|"]
    for row, base, limit in TARGETS:
        value = ratio(found, row, base)
        if value is not None:
            lines.append(f"| `{row}` / `{base}` | {value:.3f} | at most {limit} |")
    return "\n".join(lines) + "\n"


def _python() -> dict[str, Timer]:
    message = contract.request()
    text = encode_message(message)
    read, make = decoder(contract.ChargeRequest), contract.ChargeRequest
    other, other_class = _protobuf_py(message.SerializeToString())
    assert read(text) == json_format.Parse(text, make()) == message
    assert other_class.from_json(text.decode()) == other
    runs: dict[str, Callable[[], Any]] = {
        "codec_write": lambda: encode_message(message),
        "codec_write_json_format": lambda: json_format.MessageToJson(message),
        "codec_write_json_format_compact": lambda: json_format.MessageToJson(message, indent=None),
        "codec_write_protobuf_py": other.to_json,
        "codec_read": lambda: read(text),
        "codec_read_json_format": lambda: json_format.Parse(text, make()),
        "codec_read_protobuf_py": lambda: other_class.from_json(text),
    }
    return {name: _timer(run) for name, run in runs.items()}


def _timer(run: Callable[[], Any]) -> Timer:
    def timed(calls: int) -> float:
        before = time.process_time_ns()
        for _ in range(calls):
            run()
        return (time.process_time_ns() - before) / calls / 1000

    return timed


def _protobuf_py(wire: bytes) -> tuple[Any, Any]:
    """The same message, and its class, of protobuf-py."""
    from protobuf import wkt

    registry = wkt.FileDescriptorSet.from_binary(contract.descriptors()).to_registry()
    descriptor = registry.message(contract.ChargeRequest.DESCRIPTOR.full_name)
    assert descriptor is not None
    message_class: Any = descriptor.type
    return message_class.from_binary(wire), message_class


@contextlib.contextmanager
def _go() -> Iterator[dict[str, Timer]]:
    """Timers that ask a Go program.

    Raises:
        Missing: There is none.
    """
    program = tools.go_program("codec")
    with tempfile.TemporaryDirectory() as folder:
        wire = Path(folder) / "request.binpb"
        wire.write_bytes(contract.request().SerializeToString())
        with subprocess.Popen(
            [program, wire],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"GOMAXPROCS": "1"},
        ) as process:
            yield {f"codec_{what}_go": _asking(process, what) for what in ("write", "read")}
            assert process.stdin is not None
            process.stdin.close()


def _asking(process: "subprocess.Popen[str]", what: str) -> Timer:
    def timed(calls: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{what} {calls}\n")
        process.stdin.flush()
        return int(process.stdout.readline()) / 1000

    return timed


if __name__ == "__main__":
    print(as_markdown(measure()))
