"""Books of any size, written straight into the tables: posting a million entries takes minutes."""

import sqlalchemy as sa

# What one second is in the books: transaction n is posted at second n.
SECOND_US = 1_000_000
START_US = 1_700_000_000 * SECOND_US

_TYPES = ("assets", "liabilities", "equity", "income", "expenses")

# PostgreSQL makes rows by itself; SQLite gets the same by a recursive query.
_NUMBERS = {
    "postgresql": "generate_series(CAST(0 AS BIGINT), {count} - 1) AS numbers (n)",
    "sqlite": "(WITH RECURSIVE counted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted"
    " WHERE n < {count} - 1) SELECT n FROM counted) AS numbers",
}
_ACCOUNT = "CASE {a} % 5 " + " ".join(f"WHEN {n} THEN '{name}'" for n, name in enumerate(_TYPES)) + " END"
_ACCOUNT += " || ':branch-' || (({a} / 5) % {branches}) || ':' || {a}"
# Every tenth effective time is up to 30 days earlier.
_EFFECTIVE = "{start} + n * {second} - CASE WHEN n % 10 = 0 THEN (n * 7919 % 2592000) * {second} ELSE 0 END"

_BOOKS = """
INSERT INTO ledger_ledgers
    (tenant_id, ledger_id, display_name, create_time_us, head_sequence, head_time_us, holds_due_us)
    VALUES ('{tenant}', 'main', '', {start}, {transactions}, {end}, {due});
INSERT INTO ledger_currencies (tenant_id, ledger_id, code, scale) VALUES ('{tenant}', 'main', 'EUR', 2);
INSERT INTO ledger_accounts
    (tenant_id, ledger_id, account_id, type, normal_side, currency_code, currency_scale,
     debits_must_not_exceed_credits, credits_must_not_exceed_debits, display_name, create_time_us,
     debits_minor, credits_minor)
    SELECT '{tenant}', 'main', {own}, n % 5 + 1, 1, 'EUR', 2, FALSE, FALSE, '', {start}, 0, 0 FROM {accounts};
INSERT INTO ledger_transactions
    (tenant_id, ledger_id, sequence, transaction_id, entry_count, effective_us, description, create_time_us)
    SELECT '{tenant}', 'main', n + 1, 'tx-' || n, 2, {effective}, 'A payment', {start} + n * {second}
    FROM {transaction_numbers};
INSERT INTO ledger_entries
    (tenant_id, ledger_id, sequence, entry_index, account_id, side, amount_minor, currency_code, effective_us)
    SELECT '{tenant}', 'main', n + 1, i, {chosen}, i + 1, 1 + n % 10000, 'EUR', {effective}
    FROM (
        SELECT n, i, (n * 7919 + i * (1 + n % {spread})) % {account_count} AS a
        FROM {transaction_numbers}, (SELECT 0 AS i UNION ALL SELECT 1) AS sides
    ) AS each;
INSERT INTO ledger_holds
    (tenant_id, ledger_id, hold_id, debit_account_id, credit_account_id, amount_minor, currency_code,
     description, metadata, create_time_us, expire_us, state, resolve_us, captured_minor)
    SELECT '{tenant}', 'main', 'hold-' || n, {debited}, {credited}, 1 + n % 100, 'EUR', '', '{{}}',
        {start} + n, CASE WHEN n % 3 = 0 THEN {due} END, CASE WHEN n % 3 = 2 THEN 3 ELSE 1 END,
        CASE WHEN n % 3 = 2 THEN {start} + n + 1 END, 0
    FROM {hold_numbers};
UPDATE ledger_accounts SET
    debits_minor = (SELECT COALESCE(SUM(e.amount_minor), 0) FROM ledger_entries e
        WHERE e.tenant_id = ledger_accounts.tenant_id AND e.account_id = ledger_accounts.account_id
            AND e.ledger_id = 'main' AND e.side = 1),
    credits_minor = (SELECT COALESCE(SUM(e.amount_minor), 0) FROM ledger_entries e
        WHERE e.tenant_id = ledger_accounts.tenant_id AND e.account_id = ledger_accounts.account_id
            AND e.ledger_id = 'main' AND e.side = 2),
    debits_pending_minor = (SELECT COALESCE(SUM(h.amount_minor), 0) FROM ledger_holds h
        WHERE h.tenant_id = ledger_accounts.tenant_id AND h.debit_account_id = ledger_accounts.account_id
            AND h.ledger_id = 'main' AND h.state = 1),
    credits_pending_minor = (SELECT COALESCE(SUM(h.amount_minor), 0) FROM ledger_holds h
        WHERE h.tenant_id = ledger_accounts.tenant_id AND h.credit_account_id = ledger_accounts.account_id
            AND h.ledger_id = 'main' AND h.state = 1)
    WHERE tenant_id = '{tenant}'
"""


def fill(
    connection: sa.Connection, tenant_id: str, *, accounts: int, transactions: int, holds: int, branches: int
) -> None:
    """Write a ledger `main` with accounts such as `assets:branch-3:15` into empty tables of a tenant.

    Transaction n, from 1, has two entries and was posted n - 1 seconds after
    START_US. A third of the holds is due a second after START_US, a third is
    pending, and the rest released.
    """
    own = connection.dialect.name
    parts = {"start": START_US, "second": SECOND_US}

    def account(number: str) -> str:
        return _ACCOUNT.format(a=number, branches=branches)

    script = _BOOKS.format(
        tenant=tenant_id,
        transactions=transactions,
        account_count=accounts,
        # With a step of its own for each, a transaction rarely credits what it debits.
        spread=accounts // 2 - 1,
        end=START_US + transactions * SECOND_US,
        due=START_US + SECOND_US,
        own=account("n"),
        chosen=account("a"),
        debited=account(f"(n % {accounts})"),
        credited=account(f"((n + 1) % {accounts})"),
        effective=_EFFECTIVE.format(**parts),
        accounts=_NUMBERS[own].format(count=accounts),
        transaction_numbers=_NUMBERS[own].format(count=transactions),
        hold_numbers=_NUMBERS[own].format(count=holds),
        **parts,
    )
    for statement in script.split(";\n"):
        connection.exec_driver_sql(statement)
