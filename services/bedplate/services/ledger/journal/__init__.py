"""Plain-text accounting journals (the ledger and hledger format), made ready for our ledger.

Knows no server: text in, plain values out. docs/journal.md says what is read
and how it is mapped.

    journal = read(Path("books.journal"))   # syntax, directives, included files
    resolve(journal)                        # amounts left out, balances, assertions
    books = plan(journal, known_scales={})  # accounts and transactions of our ledger
"""

from bedplate.services.ledger.journal.model import Journal, JournalError, Note, Place, Transaction
from bedplate.services.ledger.journal.names import is_technical, original_names
from bedplate.services.ledger.journal.plan import (
    Books,
    PlannedAccount,
    PlannedEntry,
    PlannedTransaction,
    plan,
)
from bedplate.services.ledger.journal.reader import read
from bedplate.services.ledger.journal.resolve import resolve

__all__ = [
    "Books",
    "Journal",
    "JournalError",
    "Note",
    "Place",
    "PlannedAccount",
    "PlannedEntry",
    "PlannedTransaction",
    "Transaction",
    "is_technical",
    "original_names",
    "plan",
    "read",
    "resolve",
]
