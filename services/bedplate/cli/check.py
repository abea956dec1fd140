"""`bedplate check`: what is wrong with a project's contracts."""

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.findings import Format, counted, explain_code, find_protos, show, told

if TYPE_CHECKING:
    from bedplate.cli.findings import Protos
    from bedplate.lint.suppress import Allowance

EXAMPLES = examples(
    "bedplate check",
    "bedplate check protos/acme/greeter --format json",
    "bedplate check --format github  # in CI: beside the lines of a pull request",
    "bedplate check --explain BP103",
)


def check(
    path: Annotated[
        str,
        typer.Argument(
            help="A file or folder of contracts. Left out: the project's.",
            metavar="[PATH]",
            show_default=False,
        ),
    ] = "",
    form: Annotated[
        Format, typer.Option("--format", help="For people, programs or workflows.")
    ] = Format.TEXT,
    explain: Annotated[str, typer.Option(help="Print the page of a code and do nothing else.")] = "",
    tools: Annotated[
        str, typer.Option(help="The Python that has grpcio-tools. Left out: this one.", metavar="PYTHON")
    ] = "",
) -> None:
    """Find mistakes in contracts: promises that contradict each other, and what callers would miss.

    Exit code 0: none; 1: some; 2: the command line or the contracts cannot be read.
    """
    from bedplate.lint.check import check as run
    from bedplate.lint.rule import AMPLIFICATION_MAX, Limits

    if explain:
        explain_code(explain)
        return
    protos = find_protos(path)
    contract = told(protos, tools)
    chosen = protos.project.check if protos.project else None
    limits = Limits(
        amplification_max=(chosen.amplification_max if chosen else None) or AMPLIFICATION_MAX,
        today=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    findings = run(contract, limits, _allowances(protos))
    show(findings, form, command="bedplate check --explain", of=counted(contract.own))


def _allowances(protos: "Protos") -> "list[Allowance]":
    """What the project's settings allow; that it is needed is looked at only with all its contracts."""
    from bedplate.lint.finding import Place
    from bedplate.lint.rule import RULES
    from bedplate.lint.suppress import Allowance
    from bedplate.project import FILE

    if protos.project is None:
        return []
    lines = (protos.project.root / FILE).read_text(encoding="utf-8").splitlines()
    found = []
    for one in protos.project.check.allow:
        if one.code not in RULES:
            raise Stop(Exit.USAGE, f"{FILE}, tool.bedplate.check.allow: there is no rule {one.code}.")
        line = next((number for number, text in enumerate(lines, 1) if f'"{one.places[0]}"' in text), 0)
        used = set() if protos.whole else set(one.places)
        found.append(Allowance(one.code, one.places, Place(FILE, line, 1), one.reason, used))
    return found
