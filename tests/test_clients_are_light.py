"""Callers install the base distribution only, and importing a client loads nothing else."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Runs a program as if nothing but the base distribution were installed.
_ALONE = """
import importlib.abc, sys

DISTRIBUTIONS = {"grpc", "google", "typing_extensions", "bedplate", "buf"}
OURS = {"client", "clients", "contract", "v1", "ledger", "rates"}

class Alone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top, _, rest = name.partition(".")
        known = top in DISTRIBUTIONS or top in sys.stdlib_module_names or top.startswith("_")
        if not known or (top == "bedplate" and rest and rest.partition(".")[0] not in OURS):
            raise ModuleNotFoundError(f"{name} is no part of the base distribution", name=name)
        return None

sys.meta_path.insert(0, Alone())
"""

_USE = """
from bedplate.clients.{noun} import {name}
from bedplate.client.errors import Unavailable

try:
    next(iter({name}("127.0.0.1:1", key="k").{lists}(timeout_s=0.5)))
except Unavailable:
    print("called")
"""


def run_alone(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that can import the base distribution only."""
    return subprocess.run(
        [sys.executable, "-c", _ALONE + program], capture_output=True, text=True, cwd=ROOT, timeout=60
    )


@pytest.mark.parametrize(
    ("noun", "name", "lists"),
    [("ledger", "LedgerClient", "list_ledgers"), ("rates", "RatesClient", "list_rates")],
)
def test_a_client_works_with_nothing_but_the_base_distribution(noun: str, name: str, lists: str) -> None:
    ended = run_alone(_USE.format(noun=noun, name=name, lists=lists))

    assert (ended.stdout, ended.returncode) == ("called\n", 0), ended.stderr


@pytest.mark.parametrize(
    "module", ["bedplate.server.app", "bedplate.pipeline.compile", "sqlalchemy", "pydantic"]
)
def test_what_belongs_to_the_server_would_be_noticed(module: str) -> None:
    ended = run_alone(f"import {module}")

    assert "is no part of the base distribution" in ended.stderr


def test_the_base_distribution_needs_grpc_and_protobuf_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    names = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    assert names == {"grpcio", "protobuf", "googleapis-common-protos"}
