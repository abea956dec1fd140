"""`bedplate breaking`: what a change of contracts breaks, for callers who have the old ones."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.findings import Format, counted, explain_code, find_protos, show, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedplate.cli.findings import Protos
    from bedplate.lint.contract import Contract
    from bedplate.lint.finding import Finding

EXAMPLES = examples(
    "bedplate breaking --against git:main",
    "bedplate breaking --against git:v1.4.0 --format github",
    "bedplate breaking --against file:released.binpb",
    "bedplate breaking --explain BB301",
)
# How long the entry counts that is proposed.
ACKNOWLEDGED_DAYS = 30


def breaking(
    against: Annotated[
        str,
        typer.Option(
            help="What callers have: git:<commit, branch or tag>, or file:<descriptor set>.",
            metavar="git:REF|file:PATH",
            show_default=False,
        ),
    ] = "git:main",
    form: Annotated[
        Format, typer.Option("--format", help="For people, programs or workflows.")
    ] = Format.TEXT,
    explain: Annotated[str, typer.Option(help="Print the page of a code and do nothing else.")] = "",
    protos: Annotated[
        str, typer.Option(help="A folder of contracts. Left out: the project's.", metavar="PATH")
    ] = "",
    tools: Annotated[
        str, typer.Option(help="The Python that has grpcio-tools. Left out: this one.", metavar="PYTHON")
    ] = "",
) -> None:
    """Find what a change of contracts breaks: on the wire, in JSON, and of what was promised.

    What is meant to break is acknowledged in breaking.toml, beside the contracts.
    Exit code 0: nothing, or advice only; 1: something; 2: one of both cannot be read.
    """
    from bedplate.lint.breaking.acknowledge import FILE, AcknowledgementError, apply, read
    from bedplate.lint.breaking.compare import compare

    if explain:
        explain_code(explain)
        return
    found = find_protos(protos)
    if not found.whole:
        raise Stop(
            Exit.USAGE, f"--protos {protos}: name the folder that imports are relative to, not a part of it."
        )
    new = told(found, tools)
    old = _before(against, found, new, tools)
    if old is None:
        typer.echo(f"{against} has no contract in {found.shown}; nothing can break.", err=True)
        old = new
    try:
        known = read(found.folder / FILE)
    except AcknowledgementError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    today = datetime.datetime.now(datetime.UTC).date()
    findings = apply(compare(old, new), known, shown=f"{found.shown}/{FILE}", today=today)
    command = "bedplate breaking --explain"
    of = f"{counted(new.own)} against {against}"
    show(findings, form, command=command, of=of, hint=_entry(findings, f"{found.shown}/{FILE}", today))


def _entry(findings: "Sequence[Finding]", path: str, today: datetime.date) -> list[str]:
    """How the first of the findings would be acknowledged."""
    from bedplate.lint.finding import Severity

    first = next((one for one in findings if one.severity not in (Severity.ADVICE, Severity.ERROR)), None)
    if first is None:
        return []
    return [
        f"A change that is meant is acknowledged in {path}, such as the first one:",
        "",
        "[[acknowledge]]",
        f'code = "{first.code}"',
        f'place = "{first.element}"',
        'reason = "..."',
        f"until = {today + datetime.timedelta(days=ACKNOWLEDGED_DAYS)}",
    ]


def _before(against: str, protos: "Protos", new: "Contract", tools: str) -> "Contract | None":
    from bedplate.lint.compile import SourceError, from_commit, from_set

    kind, _, value = against.partition(":")
    if kind not in ("git", "file") or not value:
        raise Stop(
            Exit.USAGE, f"--against {against}: write git:<commit, branch or tag>, or file:<descriptor set>."
        )
    try:
        if kind == "file":
            return from_set(Path(value), new)
        return from_commit(protos.folder, value, shown=protos.shown, python=tools)
    except SourceError as error:
        raise Stop(Exit.USAGE, *error.lines) from error
