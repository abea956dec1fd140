"""Rules of the domain, as tables: no database."""

import dataclasses
import itertools

import pytest

from bedplate.errors import Refusal
from bedplate.services.ledger.domain import (
    AccountType,
    Balance,
    Books,
    Entry,
    Head,
    Mode,
    NewTransaction,
    Side,
    check_batch,
    judge,
    post,
)
from tests.services.ledger.bookkeeping import JPY, NOW_US, account, transfer

LARGEST = 2**63 - 1
DEBIT, CREDIT = Side.DEBIT, Side.CREDIT

BALANCES = {
    "cash": Balance(account("cash"), 0, 0),
    "bank": Balance(account("bank"), 0, 0),
    "yen": Balance(account("yen", JPY), 0, 0),
    "shut": Balance(dataclasses.replace(account("shut"), close_time_us=NOW_US), 0, 0),
    "full": Balance(account("full"), LARGEST, 0),
    "purse": Balance(account("purse", limit="debits"), 10, 110),
    "loan": Balance(account("loan", limit="credits"), 110, 10),
}


def entries(*lines: tuple[str, Side, int]) -> NewTransaction:
    return NewTransaction("tx", tuple(Entry(*line) for line in lines))


# What breaks a rule, by itself, in the order in which the contract lists the refusals.
FAULTS = {
    "ACCOUNT_ON_BOTH_SIDES": [("cash", DEBIT, 1), ("cash", CREDIT, 1)],
    "ACCOUNT_NOT_FOUND": [("nowhere", DEBIT, 1), ("bank", CREDIT, 1)],
    "UNBALANCED_TRANSACTION": [("yen", DEBIT, 1)],
    "ACCOUNT_CLOSED": [("shut", DEBIT, 1), ("bank", CREDIT, 1)],
    "BALANCE_OVERFLOW": [("full", DEBIT, 1), ("bank", CREDIT, 1)],
    "LIMIT_EXCEEDED": [("purse", DEBIT, 101), ("bank", CREDIT, 101)],
}


@pytest.mark.parametrize("reason", FAULTS)
def test_lg_11_each_fault_is_refused_with_its_reason(reason):
    with pytest.raises(Refusal) as refused:
        judge(entries(*FAULTS[reason]), BALANCES, "transactions[0]")

    assert refused.value.reason == reason
    assert refused.value.violations[0].field.startswith("transactions[0].entries")


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FAULTS, 2)))
def test_lg_11_of_two_faults_the_one_that_the_contract_lists_first_is_told(first, second):
    for lines in ([*FAULTS[first], *FAULTS[second]], [*FAULTS[second], *FAULTS[first]]):
        with pytest.raises(Refusal) as refused:
            judge(entries(*lines), BALANCES, "transactions[0]")

        assert refused.value.reason == first


@pytest.mark.parametrize(
    ("lines", "reason", "field", "facts"),
    [
        (
            [("bank", DEBIT, 2), ("cash", CREDIT, 1), ("bank", CREDIT, 1)],
            "ACCOUNT_ON_BOTH_SIDES",
            "entries[2].account_id",
            {"account_id": "bank"},
        ),
        (
            [("bank", DEBIT, 1), ("b", CREDIT, 1), ("a", CREDIT, 1)],
            "ACCOUNT_NOT_FOUND",
            "entries[1].account_id",
            {"account_id": "b"},
        ),
        (
            [("bank", DEBIT, 3), ("cash", CREDIT, 3), ("yen", DEBIT, 2)],
            "UNBALANCED_TRANSACTION",
            "entries",
            {"currency_code": "JPY", "debits_minor": "2", "credits_minor": "0"},
        ),
        (
            [("bank", DEBIT, LARGEST), ("bank", DEBIT, 1), ("cash", CREDIT, LARGEST), ("purse", CREDIT, 1)],
            "BALANCE_OVERFLOW",
            "entries[0].amount_minor",
            {"account_id": "bank", "debits_minor": "0", "credits_minor": "0"},
        ),
        (
            [("cash", DEBIT, LARGEST), ("purse", CREDIT, LARGEST)],
            "BALANCE_OVERFLOW",
            "entries[1].amount_minor",
            {"account_id": "purse", "debits_minor": "10", "credits_minor": "110"},
        ),
        (
            [("cash", CREDIT, 101), ("purse", DEBIT, 100), ("purse", DEBIT, 1)],
            "LIMIT_EXCEEDED",
            "entries[1].amount_minor",
            {"account_id": "purse", "currency_code": "EUR", "available_minor": "100"},
        ),
        (
            [("loan", CREDIT, 101), ("bank", DEBIT, 101)],
            "LIMIT_EXCEEDED",
            "entries[0].amount_minor",
            {"account_id": "loan", "currency_code": "EUR", "available_minor": "100"},
        ),
    ],
)
def test_lg_11_a_refusal_names_the_field_and_the_facts(lines, reason, field, facts):
    with pytest.raises(Refusal) as refused:
        judge(entries(*lines), BALANCES, "transactions[7]")

    assert refused.value.reason == reason
    assert [violation.field for violation in refused.value.violations] == [f"transactions[7].{field}"]
    assert refused.value.facts == facts


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("cash", DEBIT, 5), ("bank", CREDIT, 5)], {"cash": (5, 0), "bank": (0, 5)}),
        (
            [("cash", DEBIT, 2), ("cash", DEBIT, 3), ("bank", CREDIT, 5)],
            {"cash": (5, 0), "bank": (0, 5)},
        ),
        ([("purse", DEBIT, 100), ("bank", CREDIT, 100)], {"purse": (110, 110), "bank": (0, 100)}),
        ([("purse", CREDIT, 7), ("bank", DEBIT, 7)], {"purse": (10, 117), "bank": (7, 0)}),
        ([("loan", CREDIT, 100), ("bank", DEBIT, 100)], {"loan": (110, 110), "bank": (100, 0)}),
        (
            [("full", CREDIT, LARGEST), ("bank", DEBIT, LARGEST)],
            {"full": (LARGEST,) * 2, "bank": (LARGEST, 0)},
        ),
    ],
)
def test_what_a_transaction_makes_of_balances(lines, expected):
    changed = judge(entries(*lines), BALANCES, "")

    assert {each.account.account_id: (each.debits_minor, each.credits_minor) for each in changed} == expected


def test_a_sum_over_accounts_may_exceed_what_one_account_can_hold():
    """Only what is stored must fit."""
    transaction = entries(
        ("cash", DEBIT, LARGEST), ("bank", DEBIT, LARGEST), ("a", CREDIT, LARGEST), ("b", CREDIT, LARGEST)
    )
    balances = BALANCES | {name: Balance(account(name), 0, 0) for name in ("a", "b")}

    assert len(judge(transaction, balances, "")) == 4


def test_a_batch_is_judged_as_if_those_before_had_been_posted():
    books = Books(Head(4, NOW_US), {}, dict(BALANCES))

    posting = post(
        [
            transfer("one", "purse", "bank", 101),
            transfer("two", "bank", "purse", 1),
            transfer("three", "purse", "bank", 101),
        ],
        books,
        NOW_US + 1,
        Mode.INDEPENDENT,
    )

    assert [outcome.refusal is not None for outcome in posting.outcomes] == [True, False, False]
    assert [each.sequence for each in posting.transactions] == [5, 6]
    assert posting.head == Head(6, NOW_US + 1)
    assert {each.account.account_id: each.balance_minor for each in posting.balances} == {
        "bank": 100,
        "purse": 0,
    }


def test_a_batch_that_posts_nothing_leaves_the_end_of_the_ledger_where_it_was():
    books = Books(Head(4, NOW_US), {}, dict(BALANCES))

    posting = post([transfer("one", "cash", "yen", 1)], books, NOW_US + 1, Mode.INDEPENDENT)

    assert posting.head == Head(4, NOW_US)
    assert posting.transactions == posting.balances == ()


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        (AccountType.ASSET, DEBIT),
        (AccountType.LIABILITY, CREDIT),
        (AccountType.EQUITY, CREDIT),
        (AccountType.INCOME, CREDIT),
        (AccountType.EXPENSE, DEBIT),
    ],
)
def test_the_usual_side_of_each_type(kind, side):
    assert kind.usual_side is side


@pytest.mark.parametrize(("count", "refuses"), [(5_000, False), (5_001, True)])
def test_a_batch_has_at_most_ten_thousand_entries(count, refuses):
    batch = [transfer(f"tx-{number}", "a", "b", 1) for number in range(count)]

    if not refuses:
        check_batch(batch)
        return
    with pytest.raises(Refusal) as refused:
        check_batch(batch)

    assert refused.value.reason == "INVALID_REQUEST"
