"""`bedplate new service`: what it makes, and what it refuses."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import run_in
from tests.faults.platform import BEDPLATE, ROOT
from tests.stranger.page import Running

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two services, generated."""
    folder = tmp_path_factory.mktemp("new") / "acme"
    folder.mkdir()
    for arguments in (("new", "service", "greeter"), ("new", "service", "order_book"), ("generate",)):
        done = run_in(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


def tool(folder: Path, name: str, *arguments: str) -> str:
    """Run a tool in a folder; what it said, when it found nothing wrong."""
    done = subprocess.run([BIN / name, *arguments], cwd=folder, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_tests_pass_on_postgresql_too(acme):
    out = tool(acme, "pytest", "-q", "-p", "no:cacheprovider", "-k", "postgresql and order_book or domain")

    passed = re.search(r"(\d+) passed", out)
    assert passed is not None
    assert int(passed[1]) > 20
    assert "skipped" not in out


def test_linters_and_type_checkers_find_nothing(acme):
    tool(acme, "ruff", "check", "--no-cache", ".")
    tool(acme, "ruff", "format", "--no-cache", "--check", ".")
    tool(acme, "mypy", "--no-error-summary", "--cache-dir", os.devnull)


def test_its_contract_keeps_the_rules_of_ours(acme, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "bedplate").symlink_to(ROOT / "protos" / "bedplate")
    (tmp_path / "third_party").symlink_to(ROOT / "protos" / "third_party")
    (tmp_path / "protos").symlink_to(acme / "protos")
    (tmp_path / "buf.yaml").write_text(
        "version: v2\nmodules: [{path: protos}, {path: ours}, {path: third_party}]\n"
        "lint: {use: [STANDARD, COMMENTS]}\n"
    )

    tool(tmp_path, "buf", "lint", "--path", "protos/acme")
    tool(tmp_path, "buf", "format", "--diff", "--exit-code", "--path", "protos/acme")


def test_the_services_of_a_project_are_known_to_every_command_and_ours_too(acme):
    assert "POST /v1/order-book/notes" in run_in(acme, "why", "order_book.CreateNote").stdout
    assert run_in(acme, "why", "ledger.GetLedger").returncode == 0
    assert applied(run_in(acme, "migrate")) == ["bedplate", "greeter", "order_book"]
    made = run_in(acme, "key", "create", "--tenant", "t", "--scope", "order_book.read")
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(
    ("names", "run"), [((), "greeter, order_book"), (("order_book", "rates"), "order_book, rates")]
)
def test_up_runs_the_projects_own_and_ours_when_they_are_named(acme, tmp_path, names, run):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "BEDPLATE_DATA_DIR": str(tmp_path / "data"),
        "BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0",
        "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0",
    }
    server = Running(f"{BEDPLATE} up {' '.join(names)}", acme, environment)
    try:
        server.expect(f"is up: {run}\n")
        server.expect(f"/v1/{run.partition(',')[0].replace('_', '-')}/notes\n")
    finally:
        assert server.stop() == 0


def applied(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Whose tables were made."""
    return [line.partition(": applied 0001")[0] for line in done.stdout.splitlines()]


def test_up_with_a_name_that_there_is_not_leaves_nothing_behind(acme):
    before = sorted(path.name for path in acme.iterdir())

    done = run_in(acme, "up", "greter")

    assert done.returncode == 2
    assert "There are: greeter, order_book, ledger, rates." in done.stderr
    assert sorted(path.name for path in acme.iterdir()) == before


def test_below_the_project_is_in_the_project(acme):
    assert run_in(acme / "services" / "acme", "why", "greeter.GetNote").returncode == 0


def test_an_installed_project_brings_its_services(acme, tmp_path):
    tool(acme, "python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    [wheel] = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    (tmp_path / "elsewhere").mkdir()

    done = run_in(tmp_path / "elsewhere", "migrate", env={"PYTHONPATH": str(tmp_path / "installed")})

    assert applied(done) == ["bedplate", "greeter", "order_book"], done.stderr


def test_two_distributions_with_one_noun_are_refused(tmp_path):
    for name in ("one", "other"):
        info = tmp_path / "installed" / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(
            f"[bedplate.services]\ngreeter = {name}.services.greeter.service:SERVICE\n"
        )

    done = run_in(tmp_path, "migrate", env={"PYTHONPATH": str(tmp_path / "installed")})

    assert done.returncode == 3
    assert "Two distributions bring a service greeter" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Greeter",), "is no noun of a service"),
        (("2nd",), "is no noun of a service"),
        (("order-book",), "is no noun of a service"),
        (("a" * 33,), "is no noun of a service"),
        (("class",), "is no noun of a service"),
        (("clients",), "is a folder of every package"),
        (("ledger",), "There is a service ledger already"),
        (("greeter", "--package", "Acme"), "can be no package"),
        (("greeter", "--package", "google"), "The package google is taken"),
        (("greeter", "--package", "json"), "The package json is taken"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(command, tmp_path, arguments, says):
    code, _, err = command("new", "service", *arguments)

    assert code == 2
    assert says in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "package"), [("acme", "acme"), ("My-Shop", "my_shop"), ("x" * 32, "x" * 32)]
)
def test_the_package_is_named_for_the_folder(tmp_path, name, package):
    (tmp_path / name).mkdir()

    done = run_in(tmp_path / name, "new", "service", "n" * 32)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / name / "services" / package / "services" / ("n" * 32) / "handlers.py").is_file()


def test_a_folder_that_can_be_no_package_needs_one_to_be_chosen(tmp_path):
    (tmp_path / "2026").mkdir()

    done = run_in(tmp_path / "2026", "new", "service", "greeter")

    assert done.returncode == 2
    assert "--package acme" in done.stderr


def test_a_file_that_is_there_stays_and_nothing_is_written(command, tmp_path):
    (tmp_path / "README.md").write_text("mine")

    code, _, err = command("new", "service", "greeter", "--package", "acme")

    assert code == 2
    assert "README.md is there already" in err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


PROJECT = '[project]\nname = "shop"\nversion = "1"\n\n[tool.other]\nkey = "value"\n'


def test_a_project_that_is_there_gets_the_service_and_keeps_all_it_says(command, tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)

    code, out, _ = command("new", "service", "greeter", "--package", "shop")

    assert code == 0
    assert "pytest's pythonpath" in out
    document = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert document["tool"] == {"other": {"key": "value"}, "bedplate": {}}
    assert document["project"]["entry-points"] == {
        "bedplate.services": {"greeter": "shop.services.greeter.service:SERVICE"}
    }
    assert not (tmp_path / "README.md").exists()


def test_a_project_that_names_no_package_is_told_what_it_lacks(command, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")

    code, _, err = command("new", "service", "greeter", "--package", "shop")

    assert code == 2
    assert "has no table [project]" in err
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]


def test_a_package_that_would_hide_the_generated_code_is_refused(command, tmp_path):
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "__init__.py").touch()

    code, _, err = command("new", "service", "greeter", "--package", "shop")

    assert code == 2
    assert "src/shop/__init__.py keeps generated code out of the package shop" in err


def test_what_is_not_generated_yet_says_what_to_run(run):
    assert run("new", "service", "greeter", "--package", "acme").returncode == 0

    done = run("migrate")

    assert done.returncode == 3
    assert "Run: bedplate generate" in done.stderr
