"""What a journal comes to, without a server."""

from decimal import Decimal
from pathlib import Path

from bedplate.services.ledger.journal import Books, is_technical, original_names, plan, read, resolve
from tests.services.ledger.journal.hledger import Balances


def planned(path: Path) -> Books:
    """A journal as accounts and transactions of a ledger that is empty."""
    journal = read(path)
    resolve(journal)
    return plan(journal, {})


def balances_of(books: Books) -> Balances:
    """What the journal's own accounts hold. Every transaction balances in every currency."""
    found: Balances = {}
    for transaction in books.transactions:
        sums: dict[str, int] = {}
        for entry in transaction.entries:
            account = books.accounts[entry.account_id]
            sums[account.currency_code] = sums.get(account.currency_code, 0) + entry.amount_minor
            if is_technical(entry.account_id):
                continue
            name, commodity = original_names(account.account_id, account.currency_code, account.display_name)
            held = found.setdefault(name, {})
            amount = Decimal(entry.amount_minor).scaleb(-account.scale)
            held[commodity] = held.get(commodity, Decimal(0)) + amount
        assert not any(sums.values()), transaction
        assert len(transaction.entries) >= 2, transaction
    without_zeros = {name: {each: q for each, q in held.items() if q} for name, held in found.items()}
    return {name: held for name, held in without_zeros.items() if held}
