"""`bedplate generate`: all that follows from a project's contracts, from messages to OpenAPI."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from bedplate.project import Project

EXAMPLES = examples(
    "bedplate generate",
    "bedplate generate --check  # for CI: fails when the contracts say something else",
    "bedplate generate --tools .venv-generate/bin/python",
)


def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 3 when something is out of date.")
    ] = False,
    tools: Annotated[
        str,
        typer.Option(
            help="The Python that has grpcio-tools and mypy-protobuf; their versions are the oldest with "
            "which the result works. Left out: this one.",
            metavar="PYTHON",
        ),
    ] = "",
) -> None:
    """Write all that follows from the contracts of the project around this folder."""
    from bedplate.generate.build import build, differing
    from bedplate.generate.protoc import GenerateError, find_tools

    project = require_project()
    if project.generate:
        raise Stop(
            Exit.USAGE, f"This project generates with a command of its own: {' '.join(project.generate)}"
        )
    try:
        found = find_tools(tools)
        if check:
            _refuse_old(project, differing(project, found))
        else:
            for line in build(project, found):
                typer.echo(line, err=True)
            typer.echo(f"{_shown(project, project.generated)} is written.")
    except GenerateError as error:
        raise Stop(Exit.CONFIGURATION, *error.lines) from error


def require_project() -> "Project":
    """The project around the current folder.

    Raises:
        Stop: There is none.
    """
    from bedplate.project import find_project

    project = find_project(Path.cwd())
    if project is None:
        raise Stop(
            Exit.USAGE,
            "This folder is in no project: no pyproject.toml with a table tool.bedplate is here or above.",
            "Make one with: bedplate new service NAME",
        )
    return project


def _refuse_old(project: "Project", names: "Sequence[str]") -> None:
    if names:
        folder = _shown(project, project.generated)
        raise Stop(
            Exit.CONFIGURATION,
            f"{folder} is not what the contracts say; run: bedplate generate",
            *(f"{folder}/{name}" for name in names[:20]),
        )


def _shown(project: "Project", path: Path) -> str:
    return path.relative_to(project.root).as_posix()
