"""The program that asks grpc-gateway's functions: built with Go, run once."""

import json
import subprocess
import tempfile
from pathlib import Path

from tests.gateway.conformance.contract import ROOT, compiled
from tests.gateway.grpc_gateway.asked import asked

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.json"

# Seconds, with a module cache that is empty.
BUILD_S = 300.0
RUN_S = 60.0


def build() -> Path:
    """The program; needs Go, and the network once."""
    program = ROOT / "build" / "bin" / "grpc_gateway_peer"
    subprocess.run(["go", "build", "-o", program, "."], cwd=HERE, check=True, timeout=BUILD_S)
    return program


def answers(program: Path) -> list[str | None]:
    """A message in base64 for each request that is asked; None: it was refused."""
    lines = "".join(json.dumps(each.plain()) + "\n" for each in asked())
    with tempfile.NamedTemporaryFile(suffix=".binpb") as contract:
        Path(contract.name).write_bytes(compiled())
        done = subprocess.run(
            [program, contract.name], input=lines, capture_output=True, text=True, check=True, timeout=RUN_S
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def written(found: list[str | None]) -> str:
    """The answers beside what was asked, a line each."""
    rows = [
        {
            **{key: value for key, value in each.plain().items() if value and key != "Message"},
            "answer": answer,
        }
        for each, answer in zip(asked(), found, strict=True)
    ]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"
