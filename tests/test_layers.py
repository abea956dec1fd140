"""The import contracts hold, and each of them breaks when it should."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("services", "clients/python", "generated/python")
SCRIPT = """
import sys
from pathlib import Path
root = Path(sys.argv[1])
sources = [str(root / part) for part in sys.argv[2:]]
# The checkout's own sources are on the path too; the copy is to be looked at.
sys.path[:] = sources + [p for p in sys.path if "site-packages" in p or not Path(p, "bedplate").exists()]
from importlinter.cli import lint_imports
sys.exit(lint_imports(config_filename=str(root / "pyproject.toml"), no_cache=True))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all sources."""
    folder = tmp_path_factory.mktemp("sources")
    for part in SOURCES:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", SCRIPT, str(folder), *SOURCES]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=100)


def test_imports_go_down_only(copy):
    done = lint(copy)

    assert done.returncode == 0, done.stdout


def test_every_contract_breaks_on_an_import_that_it_forbids(copy):
    changes = {
        "services/bedplate/data/page.py": "import bedplate.gateway.routes",
        "services/bedplate/services/rates/handlers.py": "import bedplate.services.ledger",
        "services/bedplate/services/rates/domain.py": "import grpc",
        "clients/python/bedplate/client/ids.py": "import orjson",
    }
    before = {path: (copy / path).read_text() for path in changes}
    try:
        for path, line in changes.items():
            (copy / path).write_text(f"{before[path]}\n{line}\n")

        done = lint(copy)

    finally:
        for path, text in before.items():
            (copy / path).write_text(text)
    assert done.returncode == 1
    assert "0 kept, 4 broken" in done.stdout, done.stdout
