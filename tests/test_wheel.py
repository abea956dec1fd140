"""What an installation holds, and what it can do with the base distribution alone."""

import email
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.stranger.wheel import build_wheel

ROOT = Path(__file__).parent.parent
# What a caller must install; the rest is the server's.
BASE = ["googleapis-common-protos", "grpcio", "protobuf"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of this folder, built without a network."""
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel")))


def test_the_wheel_holds_all_that_is_written_and_generated(wheel):
    held = set(wheel.namelist())

    for root in ("services", "clients/python", "generated/python"):
        for path in (ROOT / root).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT / root)) in held
    assert "bedplate/py.typed" in held
    assert {"bedplate/v1/policy.proto", "bedplate/v1/policy_pb2.py", "bedplate/v1/policy_pb2.pyi"} <= held


def test_the_wheel_brings_no_package_that_others_bring(wheel):
    tops = {entry.partition("/")[0] for entry in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"bedplate", "buf"}


def test_callers_install_three_packages_and_servers_ask_for_more(wheel):
    text = wheel.read(next(entry for entry in wheel.namelist() if entry.endswith("METADATA"))).decode()
    wanted = email.message_from_string(text).get_all("Requires-Dist")

    assert sorted(re.match(r"[a-z-]+", want)[0] for want in wanted if "extra" not in want) == BASE
    extras = "extra == '(server|valkey|compression|dev)'"
    assert all(re.search(extras, want) for want in wanted if "extra" in want)


def test_a_typed_client_works_where_only_the_base_distribution_is(wheel, tmp_path):
    wheel.extractall(tmp_path / "installed")
    script = (
        "import sys, importlib.metadata\n"
        f"sys.path[:0] = [{str(tmp_path / 'installed')!r}]\n"
        f"sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.partition('.')[0]\n"
        "        if top not in sys.stdlib_module_names and top not in {'bedplate', 'buf', 'google', 'grpc',\n"
        "                                                              'typing_extensions'}:\n"
        "            raise ModuleNotFoundError(f'{name} is not in the base distribution')\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from bedplate.client import CallError\n"
        "from bedplate.clients.ledger import LedgerClient\n"
        "from bedplate.clients.rates import RatesClient\n"
        "try: LedgerClient('127.0.0.1:1', key='k').get_ledger(ledger_id='x', timeout_s=0.2)\n"
        "except CallError as error: print(error.code in ('UNAVAILABLE', 'DEADLINE_EXCEEDED'))\n"
        "import bedplate.services\n"
        "server = [m for m in sys.modules if m.split('.')[:2] in (['bedplate', p] for p in\n"
        "          ('pipeline', 'server', 'data', 'gateway', 'transport', 'telemetry', 'auth', 'cli'))]\n"
        "print(server)"
    )

    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["True", "[]"]


def test_contracts_are_checked_with_what_the_wheel_holds(wheel, tmp_path):
    wheel.extractall(tmp_path / "installed")
    project = tmp_path / "acme"
    project.mkdir()
    script = (
        "import sys\n"
        f"sys.path[:0] = [{str(tmp_path / 'installed')!r}]\n"
        f"sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "from bedplate.cli.main import app\n"
        "import bedplate.lint\n"
        "print(bedplate.lint.__file__, file=sys.stderr)\n"
        "app(sys.argv[1:])"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", "-c", script, *words]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)

    assert run("new", "service", "greeter").returncode == 0
    checked, explained = run("check"), run("check", "--explain", "BP103")

    assert str(tmp_path / "installed") in checked.stderr
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
    assert "No finding in 1 contract." in checked.stderr
    assert explained.stdout.startswith("BP103")
