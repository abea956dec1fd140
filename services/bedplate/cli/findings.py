"""What `bedplate check` and `bedplate breaking` share: where contracts are, and how findings are shown."""

import enum
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from bedplate.lint.contract import Contract
    from bedplate.lint.finding import Finding
    from bedplate.project import Project


class Format(enum.Enum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@dataclass(frozen=True, slots=True)
class Protos:
    """The contracts that a command is about.

    Attributes:
        folder: What their imports are relative to.
        shown: That folder as it is shown.
        names: The files to look at, relative to it; None: all that are its own.
        project: The project that they are of; None for none.
    """

    folder: Path
    shown: str
    names: tuple[str, ...] | None
    project: "Project | None"

    @property
    def whole(self) -> bool:
        """Whether these are all contracts of the project."""
        return self.names is None


def find_protos(path: str) -> Protos:
    """The contracts of a file or folder; the project's when it is left out.

    Raises:
        Stop: There are none.
    """
    from bedplate.cli.generate import require_project
    from bedplate.project import find_project

    if not path:
        project = require_project()
        return Protos(project.protos, _shown(project.protos), None, project)
    given = Path(path)
    if not given.exists():
        raise Stop(Exit.USAGE, f"{path}: there is no such file or folder.")
    found = find_project(given.resolve() if given.is_dir() else given.resolve().parent)
    if found is not None and given.resolve().is_relative_to(found.protos.resolve()):
        folder = found.protos
        inside = given.resolve().relative_to(folder.resolve())
        return Protos(folder, _shown(folder), _below(folder, inside), found)
    if given.is_file():
        return Protos(given.parent, given.parent.as_posix(), (given.name,), None)
    return Protos(given, given.as_posix().rstrip("/"), None, None)


def told(protos: Protos, tools: str) -> "Contract":
    """The contracts, compiled.

    Raises:
        Stop: They cannot be.
    """
    from bedplate.lint.compile import SourceError, from_folder

    try:
        return from_folder(protos.folder, shown=protos.shown, names=protos.names, python=tools)
    except SourceError as error:
        raise Stop(Exit.USAGE, *error.lines) from error


def explain_code(code: str) -> None:
    """Print the page of a code.

    Raises:
        Stop: There is no such code.
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from bedplate.lint.page import sections

    section = sections().get(code.upper())
    if section is None:
        raise Stop(Exit.USAGE, f"There is no code {code}; there are {', '.join(sections())}.")
    if sys.stdout.isatty():
        Console().print(Markdown(f"# {section.code}\n\n{section.text}"))
    else:
        typer.echo(f"{section.code}\n\n{section.text}")


def show(
    findings: "Sequence[Finding]", form: Format, *, command: str, of: str, hint: Sequence[str] = ()
) -> None:
    """Print findings, and end the command as they ask for.

    Args:
        findings: What was found.
        form: How it is shown.
        command: What explains a code.
        of: What was looked at, such as `2 contracts`.
        hint: What else a person may want to know when the command fails.

    Raises:
        Exit: With 1, when there is more than advice.
    """
    from bedplate.lint.report import fails, lines

    if form is Format.TEXT:
        _print(findings)
        if not fails(findings):
            typer.echo(f"No finding in {of}." if not findings else f"Only advice in {of}.", err=True)
        else:
            codes = f"{command} {next(one.code for one in findings)}"
            typer.echo(f"{counted(findings, 'finding')} in {of}. What a code means: {codes}", err=True)
            for line in hint:
                typer.echo(line, err=True)
    else:
        for line in lines(findings, form.value, command=command):
            typer.echo(line)
    if fails(findings):
        raise typer.Exit(Exit.FINDINGS)


def counted(things: "Sequence[object]", noun: str = "contract") -> str:
    """How many there are, such as `2 contracts`."""
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _print(findings: "Sequence[Finding]") -> None:
    from bedplate.lint.report import lines

    if not sys.stdout.isatty():
        for line in lines(findings, Format.TEXT.value, command=""):
            typer.echo(line)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for finding in findings:
        style = {"advice": "cyan", "warning": "yellow"}.get(finding.severity.value, "red")
        head = Text.assemble(
            (str(finding.place), "bold"), " ", (f"{finding.severity.value} {finding.code}", style)
        )
        console.print(head)
        console.print(Text(f"  {finding.sentence}"))


def _below(folder: Path, inside: Path) -> tuple[str, ...] | None:
    """Files of a folder's part, or one file; None for all of it."""
    if inside == Path():
        return None
    if (folder / inside).is_file():
        return (inside.as_posix(),)
    found = sorted((folder / inside).rglob("*.proto"))
    return tuple(path.relative_to(folder).as_posix() for path in found)


def _shown(folder: Path) -> str:
    """A folder's path from here, where it is below; whole otherwise."""
    here = Path.cwd()
    return folder.relative_to(here).as_posix() if folder.is_relative_to(here) else folder.as_posix()
