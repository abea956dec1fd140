"""The rules of this repository that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bedplate.services.registry import ALWAYS, NAMES

ROOT = Path(__file__).parent.parent
SERVER, CLIENT, GENERATED = (ROOT / part for part in ("services", "clients/python", "generated/python"))
SERVICES = SERVER / "bedplate" / "services"

FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 50  # without its docstring

# What may be longer, and why.
LONGER: dict[str, str] = {}

# The only modules besides errors, money and their own package that domain may import.
DOMAIN_IMPORTS = {"bedplate.errors", "bedplate.money"}
CLIENT_IMPORTS = {"grpc", "google"}


def tracked() -> list[Path]:
    """The files of the repository, committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def written(*roots: Path) -> list[Path]:
    """Python files that people write."""
    return [path for root in roots for path in sorted(root.rglob("*.py"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_generated_and_written_modules_never_meet():
    folders = {
        root: {path.parent.relative_to(root) for path in root.rglob("*.py")}
        for root in (SERVER, CLIENT, GENERATED)
    }

    for one, other in ((SERVER, GENERATED), (CLIENT, GENERATED), (SERVER, CLIENT)):
        assert folders[one] & folders[other] <= {Path("bedplate")}
    assert not [root for root in folders if (root / "bedplate" / "__init__.py").exists()]


def test_every_folder_of_written_code_is_a_package():
    folders = {path.parent for path in written(SERVER, CLIENT)} - {SERVER / "bedplate", CLIENT / "bedplate"}

    # Alembic runs the files of a schema by their path.
    missing = [name(f) for f in folders if "schema" not in f.parts and not (f / "__init__.py").exists()]
    assert missing == []


def test_every_module_says_what_it_is_for():
    missing = [
        name(path) for path in written(SERVER, CLIENT) if not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert missing == []


def test_no_file_is_longer_than_it_may_be():
    limits = [(path, FILE_LINES_MAX) for path in written(SERVER, CLIENT)]
    limits += [(path, TEST_FILE_LINES_MAX) for path in written(ROOT / "tests") if "protos" not in path.parts]

    longer = {name(path) for path, limit in limits if len(path.read_text().splitlines()) > limit}

    assert longer - set(LONGER) == set()
    assert {entry for entry in LONGER if "::" not in entry} - longer == set(), "no longer needed"


def test_no_function_is_longer_than_a_screen():
    longer = set()
    for path in written(SERVER, CLIENT):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                and lines_of(node) > FUNCTION_LINES_MAX
            ):
                longer.add(f"{name(path)}::{node.name}")

    assert longer - set(LONGER) == set()
    assert {entry for entry in LONGER if "::" in entry} - longer == set(), "no longer needed"


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        total -= first.end_lineno - first.lineno + 1
    return total


def test_modules_are_named_for_what_they_hold():
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base_utils"}

    assert [name(path) for path in written(SERVER, CLIENT, ROOT / "tests") if path.stem in vague] == []


def test_services_and_commands_catch_only_what_they_name():
    # `cli/main.py` turns expected errors into words and raises the others again.
    paths = [*written(SERVICES, SERVER / "bedplate" / "cli")]

    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                caught = "everything" if node.type is None else ast.unparse(node.type)
                broad = caught == "everything" or re.search(r"\b(Base)?Exception\b", caught)
                assert not broad or path.name == "main.py", f"{name(path)}:{node.lineno} catches {caught}"


@pytest.mark.parametrize("noun", NAMES)
def test_every_service_has_the_shape_of_the_house(noun):
    folder = SERVICES / noun
    parts = {
        path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert {"__init__", "service", "handlers", "domain", "store"} <= parts
    assert (folder / "README.md").is_file()
    assert (folder / "schema" / "env.py").is_file()
    assert sorted(folder.glob("schema/versions/0001_*.py"))
    assert (ROOT / "protos" / "bedplate" / noun / "v1" / f"{noun}.proto").is_file()
    assert list((ROOT / "tests" / "services" / noun).glob("test_*.py"))


def test_every_folder_of_services_is_registered():
    assert {path.name for path in SERVICES.iterdir() if (path / "service.py").exists()} == {
        *NAMES,
        *ALWAYS,
    }


@pytest.mark.parametrize("noun", NAMES)
def test_domain_is_plain_python(noun):
    own = f"bedplate.services.{noun}.domain"
    paths = [*SERVICES.glob(f"{noun}/domain.py"), *SERVICES.glob(f"{noun}/domain/**/*.py")]

    assert paths
    for path in paths:
        for module in imports(path):
            top = module.partition(".")[0]
            plain = top in sys.stdlib_module_names or module in DOMAIN_IMPORTS or module.startswith(own)
            assert plain, f"{name(path)} imports {module}"


def test_callers_import_the_base_distribution_only():
    for path in [*written(CLIENT), *written(GENERATED / "bedplate" / "clients")]:
        for module in imports(path):
            top = module.partition(".")[0]
            assert top in sys.stdlib_module_names or top in {*CLIENT_IMPORTS, "bedplate"}, (
                f"{name(path)}: {module}"
            )


def test_only_bedplate_and_buf_are_generated():
    assert {path.name for path in GENERATED.iterdir() if path.name != "__pycache__"} == {"bedplate", "buf"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements/*.txt")), ids=lambda path: path.name)
def test_locks_pin_with_hashes_and_name_no_address(path):
    text = path.read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry.strip() and not entry.startswith("#")]

    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_files_name_no_registry_and_no_place_of_one_machine():
    # Put together here, so that this file does not name them either.
    words = [
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "npmjs" + ".org",
        "/ho" + "me/",
        "/wo" + "rk/",
        "/ro" + "ot/",
    ]
    third_party = ROOT / "protos" / "third_party"

    for path in tracked():
        if third_party in path.parents or path.suffix in (".binpb", ".png", ".svg", ".zip"):
            continue
        text = path.read_text(errors="replace")
        assert [word for word in words if word in text] == [], name(path)


def test_what_is_left_to_do_names_an_issue():
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b(?!\(#\d+\))")

    for path in [*written(SERVER, CLIENT, ROOT / "tests"), *ROOT.glob("protos/bedplate/**/*.proto")]:
        assert marker.search(path.read_text()) is None, name(path)


def test_every_target_of_the_makefile_is_in_its_help():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)", text, re.M)[1].split())

    assert phony == set(re.findall(r"^([a-z-]+):.*?## ", text, re.M))
