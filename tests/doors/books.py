"""The books against which calls are refused, and who calls."""

from bedplate.clients.ledger import AsyncLedgerClient
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.testing.serve import Served

SCOPES = ("ledger.read", "ledger.write", "rates.read", "rates.write")

# Keys whose text stands nowhere else, so that it is found wherever it leaks to.
WRITER = "writer-5b1f3a9c7d"
READER = "reader-8e2d4c6b0a"
STRANGER = "stranger-1c9e7a5b3d"
NOBODY = "nobody-6f0e2d4c8a"
# The same as the first two of a tenant that has used up its tokens.
SPENT_WRITER = "spent-writer-2a4c6e8b1d"
SPENT_READER = "spent-reader-9b7d5f3a1c"
SPENT_TENANT = "tenant-spent"

LEDGER = "main"
CURRENCIES = {"EUR": 2, "JPY": 0, "KWD": 3}
INT64_MAX = 2**63 - 1


def accounts() -> list[pb.Account]:
    """Cash and sales in three currencies, two that are full, and one that may not be overdrawn."""
    euro = pb.Currency(code="EUR", scale=2)
    made = [
        pb.Account(account_id=f"{name}:{code}", type=kind, currency=pb.Currency(code=code, scale=scale))
        for code, scale in CURRENCIES.items()
        for name, kind in (("cash", pb.ACCOUNT_TYPE_ASSET), ("sales", pb.ACCOUNT_TYPE_INCOME))
    ]
    made += [
        pb.Account(account_id="full:debits", type=pb.ACCOUNT_TYPE_ASSET, currency=euro),
        pb.Account(account_id="full:credits", type=pb.ACCOUNT_TYPE_INCOME, currency=euro),
        pb.Account(
            account_id="wallet",
            type=pb.ACCOUNT_TYPE_LIABILITY,
            currency=euro,
            debits_must_not_exceed_credits=True,
        ),
    ]
    return made


def entries(
    debited: str, credited: str, amount_minor: int, credited_minor: int | None = None
) -> list[pb.Entry]:
    """A debit and a credit, equal unless two amounts are given."""
    other = amount_minor if credited_minor is None else credited_minor
    return [
        pb.Entry(account_id=debited, side=pb.SIDE_DEBIT, amount_minor=amount_minor),
        pb.Entry(account_id=credited, side=pb.SIDE_CREDIT, amount_minor=other),
    ]


def post(*transactions: pb.Transaction, ledger_id: str = LEDGER) -> pb.PostTransactionsRequest:
    """A call that posts transactions, all or none."""
    return pb.PostTransactionsRequest(ledger_id=ledger_id, transactions=transactions)


def sale(
    code: str = "EUR", amount_minor: int = 5, credited_minor: int | None = None, *, name: str = "sale"
) -> pb.Transaction:
    """A sale in a currency."""
    return pb.Transaction(
        transaction_id=name,
        entries=entries(f"cash:{code}", f"sales:{code}", amount_minor, credited_minor),
    )


async def open_books(served: Served) -> None:
    """Make the ledger and its accounts, and post what fills two of them."""
    async with AsyncLedgerClient(served.grpc_address, key=WRITER) as ledger:
        await ledger.create_ledger(ledger_id=LEDGER)
        for account in accounts():
            await ledger.create_account(ledger_id=LEDGER, account=account)
        full = entries("full:debits", "full:credits", INT64_MAX)
        filling = pb.Transaction(transaction_id="filling", entries=full)
        await ledger.post_transactions(ledger_id=LEDGER, transactions=[filling, sale(name="posted")])
