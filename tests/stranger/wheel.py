"""The wheel of this folder, and what a stranger installs it with."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OWN = ("BEDPLATE_", "PYTHON", "VIRTUAL_ENV", "PYTEST", "COVERAGE", "MAKE")


def build_wheel(folder: Path) -> Path:
    """Build the wheel of a copy of this folder, without a network."""
    source = folder / "source"
    source.mkdir(parents=True)
    for part in ("services", "clients", "generated"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    return next(folder.glob("*.whl"))


def write_constraints(path: Path) -> None:
    """The versions of the locks, for a pip that is told to install something else."""
    found = set()
    for lock in ("server.txt", "dev.txt"):
        for line in (ROOT / "requirements" / lock).read_text().splitlines():
            if re.match(r"[a-z]", line):
                found.add(line.removesuffix("\\").strip())
    path.write_text("\n".join(sorted(found)) + "\n")


def environment(**added: str) -> dict[str, str]:
    """A stranger's environment: ours, without what leads to this folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    folders = [part for part in os.environ["PATH"].split(os.pathsep) if not Path(part).is_relative_to(ROOT)]
    # The interpreter that this one's environment was made with.
    base = str(Path(sys.base_prefix) / "bin")
    return {**kept, "PATH": os.pathsep.join([base, *folders]), **added}
