"""`bedplate ledger`: journals into a ledger, its balances, and whole ledgers out and in again."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.caller import Ca, KeyOption, Target, find_caller
from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from bedplate.services.ledger.journal import Journal, JournalError, Note

IMPORT_EXAMPLES = examples(
    "bedplate ledger import 2026.journal",
    "bedplate ledger import main.journal --ledger household --check",
    "bedplate ledger import books.journal --target ledger.example.org:50051 --ca ca.pem",
    "Exit codes: 2 the file cannot be read, 10 a line is wrong or not supported, 11 key or scope,",
    "12 the ledger's state does not allow it, 13 and 14 try again (what was posted is known and",
    "is not posted twice), 15 the server's fault.",
)
BALANCE_EXAMPLES = examples(
    "bedplate ledger balance",
    "bedplate ledger balance --ledger household --csv > balances.csv",
)
EXPORT_EXAMPLES = examples(
    "bedplate ledger export main.ledger",
    "bedplate ledger export household.ledger.gz --ledger household",
)
RESTORE_EXAMPLES = examples(
    "bedplate ledger restore main.ledger --ledger main-copy",
    "bedplate ledger restore main.ledger --target ledger.example.org:50051 --ca ca.pem",
    "Exit codes: 2 the file cannot be read, 10 it is damaged or cut off, or a record is refused,",
    "11 key or scope, 12 another ledger has the id, 13 and 14 try again (what was imported is known",
    "and is not imported twice), 15 the server's fault.",
)
LEDGER_DEFAULT = "main"
NOTES_SHOWN_MAX = 10

app = typer.Typer(
    help="Import journals, report balances, and export and restore whole ledgers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

LedgerOption = Annotated[
    str, typer.Option("--ledger", help="The ledger's id: 1 to 64 of a-z, 0-9, `.`, _ and -.")
]


@app.callback()
def _ledger() -> None:
    """Import journals, report balances, and export and restore whole ledgers."""


@app.command("import", epilog=IMPORT_EXAMPLES)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A journal in the format of ledger and hledger, with the files that it includes.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    ledger: LedgerOption = LEDGER_DEFAULT,
    check: Annotated[
        bool, typer.Option("--check", help="Read the journal and say what is in it; call no server.")
    ] = False,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Post a journal in batches. Transactions that are there already stay as they are.

    The ledger and its accounts are created when they are missing.
    """
    journal = _read(file)
    _tell_notes(journal.notes)
    if check:
        _check(journal)
        return
    from bedplate.cli.ledger_import import post
    from bedplate.services.ledger.journal import JournalError

    caller = find_caller(target, key, ca)
    try:
        done = asyncio.run(post(caller, ledger, journal))
    except JournalError as error:
        raise _wrong(error) from error
    typer.echo(
        f"{done.count} transactions in {ledger}: {done.posted_count} posted, {done.known_count} known already"
        f"{_left_out(done.without_effect)}; {done.accounts_count} accounts created."
    )


@app.command("balance", epilog=BALANCE_EXAMPLES)
def balance(
    ledger: LedgerOption = LEDGER_DEFAULT,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: account, balance.")] = False,
    all_: Annotated[
        bool,
        typer.Option("--all", help="Also the accounts that the import made for conversions."),
    ] = False,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Print what each account holds of each commodity; debits are positive.

    Accounts that hold nothing are left out, as are those that an import made
    for conversions between commodities.
    """
    from bedplate.cli.ledger_balance import as_csv, as_text, read_balances

    caller = find_caller(target, key, ca)
    balances = asyncio.run(read_balances(caller, ledger, technical=all_))
    typer.echo(as_csv(balances) if csv else as_text(balances), nl=False)


@app.command("export", epilog=EXPORT_EXAMPLES)
def export(
    file: Annotated[
        Path,
        typer.Argument(
            help="The file to write, which there is not yet; packed when it ends in .gz.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    ledger: LedgerOption = LEDGER_DEFAULT,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Write a whole ledger to a file: accounts, transactions, holds, refusals, and when each was.

    The same ledger makes the same file, byte for byte.
    """
    from bedplate.cli.ledger_transfer import export

    count = asyncio.run(export(find_caller(target, key, ca), ledger, file))
    typer.echo(f"{count} records of {ledger} in {file}.")


@app.command("restore", epilog=RESTORE_EXAMPLES)
def restore(
    file: Annotated[
        Path, typer.Argument(help="A file that `export` wrote.", metavar="FILE", show_default=False)
    ],
    ledger: LedgerOption = LEDGER_DEFAULT,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Make a ledger from an exported one, exactly; an import that was stopped goes on where it was.

    Every record is checked as if it were posted. Until the last one the ledger
    takes nothing else. The key needs the scope ledger.import.
    """
    from bedplate.cli.ledger_transfer import restore

    count, known = asyncio.run(restore(find_caller(target, key, ca), ledger, file))
    typer.echo(f"{count} records in {ledger}: {count - known} imported, {known} known already.")


def _read(file: Path) -> "Journal":
    """The whole journal, its amounts filled in and its assertions checked; nothing is posted before."""
    from bedplate.services.ledger.journal import JournalError, read, resolve

    try:
        journal = read(file)
        resolve(journal)
    except JournalError as error:
        raise _wrong(error) from error
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file} cannot be read: {error.strerror or type(error).__name__}.") from error
    return journal


def _check(journal: "Journal") -> None:
    from bedplate.services.ledger.journal import JournalError, plan

    try:
        books = plan(journal, {})
    except JournalError as error:
        raise _wrong(error) from error
    days = [transaction.date for transaction in books.transactions]
    span = f", {min(days)} to {max(days)}" if days else ""
    typer.echo(
        f"{len(books.transactions)} transactions{span}{_left_out(books.without_effect)}; "
        f"{len(books.accounts)} accounts."
    )


def _left_out(count: int) -> str:
    return f", {count} left out that move nothing" if count else ""


def _tell_notes(notes: "list[Note]") -> None:
    for note in notes[:NOTES_SHOWN_MAX]:
        typer.echo(f"note: {note.place}: {note.sentence}.", err=True)
    if len(notes) > NOTES_SHOWN_MAX:
        typer.echo(f"note: and {len(notes) - NOTES_SHOWN_MAX} more of such.", err=True)


def _wrong(error: "JournalError") -> Stop:
    return Stop(Exit.INVALID, str(error), "Nothing was imported.")
