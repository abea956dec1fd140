"""`bedplate new`: a service of the house shape, in a team's own project."""

import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from bedplate.project import Project

EXAMPLES = examples(
    "bedplate new service greeter",
    "bedplate new service greeter --package acme",
)
app = typer.Typer(help="Make a service of your own.", no_args_is_help=True, rich_markup_mode="rich")

NAME_CHARS_MAX = 32
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_HOUSE = Path(__file__).parent / "house"
_GROUP = '[project.entry-points."bedplate.services"]'
# Names of packages that others import, beside the standard library's.
_TAKEN = frozenset({"bedplate", "buf", "google", "grpc", "tests", "services", "protos", "generated"})


@app.callback()
def new() -> None:
    """Make a service of your own."""


@app.command("service", epilog=EXAMPLES)
def service(
    name: Annotated[
        str,
        typer.Argument(help="Its noun, such as greeter or order_book.", metavar="NAME", show_default=False),
    ],
    package: Annotated[
        str,
        typer.Option(help="Its top Python package and contract package. Left out: the name of this folder."),
    ] = "",
) -> None:
    """Make a service that runs: contract, handlers, domain, store, migration, tests.

    In an empty folder it makes the project around it, too.
    """
    from bedplate.project import find_project

    _check_noun(name)
    project = find_project(Path.cwd())
    root = project.root if project else Path.cwd()
    package = package or _package_of(project, root)
    _check_package(package, project)
    words = _words(name, package)
    files = dict(_files("service", words, project))
    fresh = not (root / "pyproject.toml").exists()
    if fresh:
        files |= dict(_files("project", words, None))
    files = {path: text for path, text in files.items() if not _is_shared(root / path)}
    for path in files:
        if (root / path).exists():
            raise Stop(Exit.USAGE, f"{path} is there already; nothing was written.")
    entry = None if fresh else _with_entry(root / "pyproject.toml", words, project)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="\n")
    if entry is not None:
        (root / "pyproject.toml").write_text(entry, encoding="utf-8")
    _tell(files, name, fresh=fresh, joins=project is None and not fresh)


def _is_shared(path: Path) -> bool:
    """Whether a file is one that all services of a package have together, and is there already."""
    return path.name == "__init__.py" and path.parent.name == "services" and path.exists()


def _check_noun(name: str) -> None:
    from bedplate.services.registry import callable_names

    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX or keyword.iskeyword(name):
        raise Stop(
            Exit.USAGE,
            f"{name} is no noun of a service: it has 1 to {NAME_CHARS_MAX} of a-z, 0-9 and _, and begins "
            "with a letter, such as greeter or order_book.",
        )
    if name in ("clients", "services"):
        raise Stop(Exit.USAGE, f"{name} is a folder of every package; choose another noun.")
    if name == "bedplate":
        raise Stop(Exit.USAGE, "The platform's own tables are called bedplate; choose another noun.")
    if name in callable_names():
        raise Stop(Exit.USAGE, f"There is a service {name} already; choose another noun.")


def _package_of(project: "Project | None", root: Path) -> str:
    """The package of the project's other services, or a name made of the folder's."""
    if project is not None and project.services:
        return next(iter(project.services.values())).package
    return re.sub(r"[^a-z0-9]+", "_", root.resolve().name.lower()).strip("_")


def _check_package(package: str, project: "Project | None") -> None:
    if not _NAME.fullmatch(package) or keyword.iskeyword(package):
        raise Stop(
            Exit.USAGE,
            f"{package or 'The name of this folder'} can be no package: it has a-z, 0-9 and _ and begins "
            "with a letter. Choose one: --package acme",
        )
    if package in _TAKEN or package in sys.stdlib_module_names:
        raise Stop(Exit.USAGE, f"The package {package} is taken; choose another one: --package acme")
    for folder in project.sources if project else (Path("services"), Path("src"), Path()):
        if (folder / package / "__init__.py").exists():
            raise Stop(
                Exit.USAGE,
                f"{folder / package / '__init__.py'} keeps generated code out of the package {package}, "
                "which spans several folders. Remove the file, or choose another one: --package "
                f"{package}_services",
            )


def _words(name: str, package: str) -> Mapping[str, str]:
    """What stands for the placeholders of the house."""
    from importlib.metadata import version

    return {
        "noun": name,
        "Noun": name.title().replace("_", ""),
        "NOUN": name.upper(),
        "path": name.replace("_", "-"),
        "package": package,
        "project": package.replace("_", "-"),
        "version": version("bedplate"),
    }


def _files(part: str, words: Mapping[str, str], project: "Project | None") -> Iterator[tuple[str, str]]:
    """Path in the project, and content, of each file; `.txt` keeps tools from taking them for code."""
    for source in sorted((_HOUSE / part).rglob("*.txt")):
        path = source.relative_to(_HOUSE / part).as_posix().removesuffix(".txt")
        path = path.replace("PACKAGE", words["package"]).replace("NOUN", words["noun"])
        yield _placed(path, project), _fill(source.read_text(encoding="utf-8"), words)


def _fill(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"<<(\w+)>>", lambda found: words[found[1]], text)


def _placed(path: str, project: "Project | None") -> str:
    """Where a project keeps such files; the house's own names when there is none yet."""
    if project is None:
        return path
    top, _, rest = path.partition("/")
    folders = {"protos": project.protos, "services": project.sources[0] if project.sources else project.root}
    if top not in folders:
        return path
    return f"{folders[top].relative_to(project.root).as_posix()}/{rest}"


def _with_entry(path: Path, words: Mapping[str, str], project: "Project | None") -> str:
    """The text of the project's `pyproject.toml` with the service in it."""
    text = path.read_text(encoding="utf-8")
    line = _fill('<<noun>> = "<<package>>.services.<<noun>>.service:SERVICE"\n', words)
    if _GROUP in text:
        head, _, tail = text.partition(f"{_GROUP}\n")
        entries, blank, rest = tail.partition("\n\n")
        return f"{head}{_GROUP}\n{entries.rstrip()}\n{line}{blank[1:]}{rest}"
    if not re.search(r"^\[project\]", text, re.M):
        raise Stop(
            Exit.USAGE,
            f"{path.name} has no table [project], in which services are found; add it, with name and "
            "version.",
        )
    table = "" if project is not None else "\n[tool.bedplate]\n"
    return f"{text.rstrip()}\n\n{_GROUP}\n{line}{table}"


def _tell(files: Mapping[str, str], name: str, *, fresh: bool, joins: bool) -> None:
    for path in files:
        typer.echo(f"  {path}")
    if joins:
        typer.echo("Add services and generated/python to your packages, and to pytest's pythonpath.")
    typer.secho("Next:", bold=True)
    typer.echo("  bedplate generate      messages, stubs, clients")
    typer.echo("  pytest                 its tests pass")
    typer.echo("  bedplate up --reload   it runs, and follows your changes")
