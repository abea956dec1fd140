"""`bedplate generate`: all that follows from a project's contracts, made whole and then put in place."""

import filecmp
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bedplate.contract.policy import PolicyError
from bedplate.generate.__main__ import generate
from bedplate.generate.check import mistakes
from bedplate.generate.descriptors import Contracts, load
from bedplate.generate.places import Places
from bedplate.generate.protoc import GenerateError, Tools, compile_protos
from bedplate.project import Project

DESCRIPTORS = "descriptors/contracts.binpb"
# Packages that other distributions bring; a project may have copies of them to
# look at, and two that generate them would overwrite each other.
_OTHERS = ("google", "buf", "bedplate")


def find_contracts(project: Project) -> tuple[str, ...]:
    """The project's contracts, relative to their folder, in order.

    Raises:
        GenerateError: There is none.
    """
    found = sorted(path.relative_to(project.protos).as_posix() for path in project.protos.rglob("*.proto"))
    own = tuple(name for name in found if name.partition("/")[0] not in _OTHERS)
    if not own:
        folder = project.protos.relative_to(project.root)
        raise GenerateError(
            f"There is no contract in {folder}/.", "Make a service with: bedplate new service NAME"
        )
    return own


def build(project: Project, tools: Tools) -> Sequence[str]:
    """Generate all, and replace what was generated before; a mistake leaves that as it was.

    Returns:
        Warnings, a line each.

    Raises:
        GenerateError: The contracts have mistakes.
    """
    with tempfile.TemporaryDirectory(prefix=".generate-", dir=project.root) as folder:
        made = Path(folder) / "generated"
        warnings = _make(project, tools, made)
        _replace(project.generated, made)
    return warnings


def differing(project: Project, tools: Tools) -> Sequence[str]:
    """Files of what was generated that are not what the contracts say, below its folder.

    Raises:
        GenerateError: The contracts have mistakes.
    """
    with tempfile.TemporaryDirectory(prefix=".generate-", dir=project.root) as folder:
        made = Path(folder) / "generated"
        _make(project, tools, made)
        one, other = _files(made), _files(project.generated)
        return sorted(
            name
            for name in one | other
            if name not in one
            or name not in other
            or not filecmp.cmp(made / name, project.generated / name, shallow=False)
        )


def load_places(project: Project) -> Places | None:
    """Where things stand in the contracts that were generated from last; None before the first time."""
    path = project.generated / DESCRIPTORS
    if not path.is_file():
        return None
    return _places(project, load(path, ()))


def _make(project: Project, tools: Tools, made: Path) -> Sequence[str]:
    names = find_contracts(project)
    python, descriptors = made / "python", made / DESCRIPTORS
    python.mkdir(parents=True)
    descriptors.parent.mkdir()
    warnings = compile_protos(
        tools, names, root=project.root, protos=project.protos, python=python, descriptors=descriptors
    )
    try:
        contracts = load(descriptors, tuple({name.partition("/")[0] for name in names}))
    except ValueError as error:
        raise GenerateError(str(error)) from error
    if found := tuple(mistakes(contracts, _places(project, contracts))):
        raise GenerateError(*found)
    try:
        generate(contracts, made, python)
    except PolicyError as error:
        raise GenerateError(_places(project, contracts).locate(str(error))) from error
    for name in names:
        # Beside the modules, so that those who install them can import the contracts.
        shutil.copy(project.protos / name, python / name)
        (python / name.partition("/")[0] / "py.typed").touch()
    return warnings


def _places(project: Project, contracts: Contracts) -> Places:
    folder = project.protos.relative_to(project.root).as_posix()
    return Places(contracts.protos.values(), folder)


def _replace(folder: Path, made: Path) -> None:
    """Put what was made in the place of what was there, of which it must be that we wrote it."""
    if folder.exists() and any(folder.iterdir()) and not (folder / DESCRIPTORS).is_file():
        raise GenerateError(
            f"{folder.name}/ holds files that were not generated.",
            'Move them away, or name another folder in pyproject.toml: [tool.bedplate] generated = "..."',
        )
    if folder.exists():
        folder.rename(made.with_name("before"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    made.rename(folder)


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
