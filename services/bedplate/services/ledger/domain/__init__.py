"""The rules of double-entry bookkeeping: plain values in, plain values out.

Amounts are whole numbers of a currency's smallest unit, 1 to 2**63 - 1. Times
are microseconds since 1970-01-01 UTC.
"""

from bedplate.services.ledger.domain.account import (
    Account,
    AccountType,
    Balance,
    Currency,
    CurrencyTotal,
    Ledger,
    Metadata,
    Side,
    account_closed,
    account_difference,
    account_not_found,
    ledger_not_found,
)
from bedplate.services.ledger.domain.batch import Books, Head, Mode, Outcome, Posting, judge, post
from bedplate.services.ledger.domain.transaction import (
    ENTRIES_PER_CALL_MAX,
    Entry,
    NewTransaction,
    PlacedEntry,
    Transaction,
    already_reversed,
    check_batch,
    first_difference,
    mirror,
    replay,
    transaction_not_found,
)

__all__ = [
    "ENTRIES_PER_CALL_MAX",
    "Account",
    "AccountType",
    "Balance",
    "Books",
    "Currency",
    "CurrencyTotal",
    "Entry",
    "Head",
    "Ledger",
    "Metadata",
    "Mode",
    "NewTransaction",
    "Outcome",
    "PlacedEntry",
    "Posting",
    "Side",
    "Transaction",
    "account_closed",
    "account_difference",
    "account_not_found",
    "already_reversed",
    "check_batch",
    "first_difference",
    "judge",
    "ledger_not_found",
    "mirror",
    "post",
    "replay",
    "transaction_not_found",
]
