"""Ledgers, accounts and their balances."""

import enum
from dataclasses import dataclass

from bedplate.errors import Kind, Refusal, Violation


class Side(enum.IntEnum):
    """A side of an account or of an entry; the numbers are those of the contract and the tables."""

    DEBIT = 1
    CREDIT = 2


class AccountType(enum.IntEnum):
    """What an account stands for; the numbers are those of the contract and the tables."""

    ASSET = 1
    LIABILITY = 2
    EQUITY = 3
    INCOME = 4
    EXPENSE = 5

    @property
    def usual_side(self) -> Side:
        """The side on which accounts of this type grow."""
        return Side.DEBIT if self in (AccountType.ASSET, AccountType.EXPENSE) else Side.CREDIT


# What a caller keeps with an account or a transaction: pairs in the order of their keys.
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """A set of accounts that balance against each other."""

    ledger_id: str
    display_name: str
    create_time_us: int


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency, and the digits after the decimal point of one whole unit, 0 to 18."""

    code: str
    scale: int


@dataclass(frozen=True, slots=True)
class Account:
    """A place where amounts of one currency add up. Nothing of it ever changes, but that it closes."""

    account_id: str
    type: AccountType
    normal_side: Side
    currency: Currency
    debits_must_not_exceed_credits: bool
    credits_must_not_exceed_debits: bool
    display_name: str
    create_time_us: int
    metadata: Metadata = ()
    close_time_us: int | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """An account and the sums of its sides; what is posted and pending of one is 0 to 2**63 - 1 together."""

    account: Account
    debits_minor: int
    credits_minor: int
    debits_pending_minor: int = 0
    credits_pending_minor: int = 0

    @property
    def balance_minor(self) -> int:
        """The normal side's sum less the other's; may be negative."""
        more = self.debits_minor - self.credits_minor
        return more if self.account.normal_side is Side.DEBIT else -more

    @property
    def available_minor(self) -> int:
        """The balance less what pending holds would take from it."""
        if self.account.normal_side is Side.DEBIT:
            return self.balance_minor - self.credits_pending_minor
        return self.balance_minor - self.debits_pending_minor


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """All accounts of one currency, added up; the sums may lie outside int64."""

    currency: Currency
    debits_minor: int
    credits_minor: int
    account_count: int


_SAID_AS_IT_IS = (
    "debits_must_not_exceed_credits",
    "credits_must_not_exceed_debits",
    "display_name",
    "metadata",
)


def account_difference(wanted: Account, existing: Account) -> str:
    """The path of the first field in which an account differs from the one that is there; empty: none."""
    if wanted.type is not existing.type:
        return "type"
    if wanted.normal_side is not existing.normal_side:
        return "normal_side"
    if wanted.currency.code != existing.currency.code:
        return "currency.code"
    if wanted.currency.scale != existing.currency.scale:
        return "currency.scale"
    for name in _SAID_AS_IT_IS:
        if getattr(wanted, name) != getattr(existing, name):
            return name
    return ""


def ledger_not_found(ledger_id: str) -> Refusal:
    """There is no such ledger, or it is another tenant's: the caller cannot tell which."""
    sentence = f"There is no ledger {ledger_id}; create it first, or check the id."
    return Refusal(
        Kind.NOT_FOUND,
        "LEDGER_NOT_FOUND",
        sentence,
        violations=[Violation("ledger_id", sentence)],
        ledger_id=ledger_id,
    )


def ledger_importing(ledger_id: str) -> Refusal:
    """Nothing but the rest of its import is posted to a ledger that is being made from an export."""
    sentence = f"The ledger {ledger_id} is being imported; finish that first, or use another ledger."
    return Refusal(
        Kind.STATE,
        "LEDGER_IMPORTING",
        sentence,
        violations=[Violation("ledger_id", sentence)],
        ledger_id=ledger_id,
    )


def account_not_found(account_id: str, path: str) -> Refusal:
    """The ledger has no such account; `path` is the field that names it."""
    sentence = f"The ledger has no account {account_id}; create it first, or check the id."
    return Refusal(
        Kind.NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
        sentence,
        violations=[Violation(path, sentence)],
        account_id=account_id,
    )


def account_closed(account: Account, path: str) -> Refusal:
    """Nothing is posted to a closed account; `path` is the field that names it."""
    sentence = f"The account {account.account_id} is closed; use another one."
    return Refusal(
        Kind.STATE,
        "ACCOUNT_CLOSED",
        sentence,
        violations=[Violation(path, sentence)],
        account_id=account.account_id,
    )


def account_has_holds(account: Account) -> Refusal:
    """An account on which a hold is pending does not close."""
    sentence = f"A hold on {account.account_id} is pending; capture or release it first."
    return Refusal(
        Kind.STATE,
        "ACCOUNT_HAS_HOLDS",
        sentence,
        violations=[Violation("account_id", sentence)],
        account_id=account.account_id,
    )
