"""A call of every method that tenants have, in an order in which each one finds what it needs.

Every id holds the mark, so that a test can put another one in its place and
find it in answers.
"""

# Replaced by a word of the same length where an id must be absent.
MARK, ABSENT = "vault7", "absent"

_ACCOUNT = 'account { account_id: "%s" type: ACCOUNT_TYPE_ASSET currency { code: "EUR" scale: 2 } }'
_LEDGER = 'ledger_id: "vault7-books"'


def _entries(amount: int) -> str:
    return (
        f'entries {{ account_id: "vault7:cash" side: SIDE_DEBIT amount_minor: {amount} }} '
        f'entries {{ account_id: "vault7:bank" side: SIDE_CREDIT amount_minor: {amount} }}'
    )


def _hold(name: str) -> str:
    return (
        f'{_LEDGER} hold {{ hold_id: "vault7-{name}" debit_account_id: "vault7:cash" '
        'credit_account_id: "vault7:bank" amount_minor: 3 }'
    )


# Method and request, in protobuf's text format.
SAMPLES: list[tuple[str, str]] = [
    ("ledger.CreateLedger", f'{_LEDGER} display_name: "vault7"'),
    ("ledger.CreateLedger", 'ledger_id: "vault7-more"'),
    ("ledger.GetLedger", _LEDGER),
    ("ledger.ListLedgers", ""),
    ("ledger.CreateAccount", f"{_LEDGER} {_ACCOUNT % 'vault7:cash'}"),
    ("ledger.CreateAccount", f"{_LEDGER} {_ACCOUNT % 'vault7:bank'}"),
    ("ledger.CreateAccount", f"{_LEDGER} {_ACCOUNT % 'vault7:old'}"),
    ("ledger.GetAccount", f'{_LEDGER} account_id: "vault7:cash"'),
    ("ledger.ListAccounts", _LEDGER),
    ("ledger.ListAccounts", f'{_LEDGER} account_path: "vault7:*"'),
    ("ledger.CloseAccount", f'{_LEDGER} account_id: "vault7:old"'),
    (
        "ledger.PostTransactions",
        f'{_LEDGER} transactions {{ transaction_id: "vault7-t1" {_entries(70)} }} '
        f'transactions {{ transaction_id: "vault7-t2" {_entries(5)} }}',
    ),
    ("ledger.ReverseTransaction", f'{_LEDGER} transaction_id: "vault7-t2" reversal_id: "vault7-r2"'),
    ("ledger.GetTransaction", f'{_LEDGER} transaction_id: "vault7-t1"'),
    ("ledger.ListTransactions", _LEDGER),
    ("ledger.CreateHold", _hold("h1")),
    ("ledger.CreateHold", _hold("h2")),
    ("ledger.CaptureHold", f'{_LEDGER} hold_id: "vault7-h1" transaction_id: "vault7-c1" amount_minor: 2'),
    ("ledger.ReleaseHold", f'{_LEDGER} hold_id: "vault7-h2"'),
    ("ledger.ExpireHolds", _LEDGER),
    ("ledger.GetHold", f'{_LEDGER} hold_id: "vault7-h1"'),
    ("ledger.ListHolds", _LEDGER),
    ("ledger.GetBalance", f'{_LEDGER} account_id: "vault7:cash"'),
    ("ledger.GetBalance", f'{_LEDGER} account_id: "vault7:cash" as_of {{ time {{ seconds: 4000000000 }} }}'),
    ("ledger.ListEntries", _LEDGER),
    ("ledger.ListEntries", f'{_LEDGER} account_id: "vault7:cash"'),
    ("ledger.StreamEntries", _LEDGER),
    ("ledger.GetTrialBalance", _LEDGER),
    ("ledger.AggregateBalances", f'{_LEDGER} account_path: "vault7:*" group_depth: 2'),
    ("ledger.ExportLedger", _LEDGER),
    ("ledger.ImportLedger", _LEDGER),
    (
        "rates.ImportRates",
        'source: "vault7" rates { base: "EUR" quote: "VAULT7" date: "2026-01-05" value: "1.5" } '
        'rates { base: "EUR" quote: "VAULT7" date: "2026-01-06" value: "1.6" }',
    ),
    ("rates.GetRate", 'base: "EUR" quote: "VAULT7" date: "2026-01-05" source: "vault7"'),
    ("rates.Convert", 'base: "EUR" quote: "VAULT7" amount: "2" date: "2026-01-05" source: "vault7"'),
    ("rates.ListRates", 'source: "vault7"'),
]

# Refused for everyone when called so: an import needs the records of an export.
REFUSED = {"ledger.ImportLedger"}
