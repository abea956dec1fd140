"""A journal as accounts and transactions of our ledger."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext

from bedplate.money import fits_int64
from bedplate.services.ledger.journal import names
from bedplate.services.ledger.journal.account_type import type_of
from bedplate.services.ledger.journal.model import (
    EXACT,
    Journal,
    JournalError,
    Kind,
    Place,
    Transaction,
    TypeLetter,
)

SCALE_MAX = 18
ENTRIES_MAX = 200
DESCRIPTION_MAX = 512

# Changes when the same journal would get other ids: then an import after an
# update would post everything again.
_VERSION = "journal 1"


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """An account of our ledger.

    Attributes:
        account_id: Its id.
        display_name: What it is called in the journal, and its commodity.
        type: What it stands for: A, L, E, R or X.
        currency_code: The code of its commodity.
        scale: Digits after the decimal point, 0 to 18.
        place: Where the journal names it first.
    """

    account_id: str
    display_name: str
    type: TypeLetter
    currency_code: str
    scale: int
    place: Place


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """An entry; a debit is above zero, a credit below. Smallest units."""

    account_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PlannedTransaction:
    """A transaction that balances in every commodity; `place` is where the journal has it."""

    transaction_id: str
    date: date
    description: str
    entries: tuple[PlannedEntry, ...]
    place: Place


@dataclass(slots=True)
class Books:
    """What a journal comes to.

    Attributes:
        accounts: By id.
        transactions: In the order of the journal.
        without_effect: How many transactions move nothing and are left out.
    """

    accounts: dict[str, PlannedAccount] = field(default_factory=dict)
    transactions: list[PlannedTransaction] = field(default_factory=list)
    without_effect: int = 0


def plan(journal: Journal, known_scales: Mapping[str, int]) -> Books:
    """Map a resolved journal.

    Args:
        journal: What `resolve` has filled in.
        known_scales: Digits after the decimal point by currency code, where
            the ledger counts a currency already.

    Raises:
        JournalError: An amount, a name or a transaction does not fit our ledger.
    """
    with localcontext(EXACT):
        return _Planner(journal, known_scales).plan()


class _Planner:
    def __init__(self, journal: Journal, known_scales: Mapping[str, int]) -> None:
        self._journal = journal
        self._known_scales = known_scales
        self._scales: dict[str, int] = {}
        self._books = Books()
        self._ids: dict[tuple[str, str, bool], str] = {}
        self._commodities: dict[str, str] = {}  # by code
        self._ordinals: Counter[str] = Counter()

    def plan(self) -> Books:
        self._find_scales()
        for transaction in self._journal.transactions:
            sums = _entries(transaction)
            if not sums:
                self._books.without_effect += 1
                continue
            place = transaction.place
            if len(sums) > ENTRIES_MAX:
                raise JournalError(
                    place, f"The transaction comes to {len(sums)} entries; {ENTRIES_MAX} are allowed."
                )
            entries = tuple(
                PlannedEntry(
                    self._account(account, commodity, place, technical=technical),
                    self._minor(quantity, commodity, place),
                )
                for account, commodity, technical, quantity in sums
            )
            self._books.transactions.append(
                PlannedTransaction(
                    self._id(transaction, sums),
                    transaction.date,
                    _description(transaction),
                    entries,
                    place,
                )
            )
        return self._books

    def _find_scales(self) -> None:
        """Digits for each commodity: the most in the journal, or what the ledger counts with."""
        for commodity, decimals in self._journal.decimals.items():
            self._scales[commodity] = min(decimals, SCALE_MAX)
        for transaction in self._journal.transactions:
            for posting in transaction.postings:
                amount = posting.amount
                for commodity, quantity in posting.amounts.items():
                    decimals = _decimals(quantity)
                    if amount is not None:
                        # Zeros at the end count as written, but not past what can be stored.
                        decimals = max(decimals, min(amount.decimals, SCALE_MAX))
                    if decimals > self._scales.get(commodity, -1):
                        self._raise_scale(commodity, decimals, Place(transaction.place.file, posting.line))
        for commodity in self._scales:
            self._scales[commodity] = self._known_scales.get(
                names.currency_code(commodity), self._scales[commodity]
            )

    def _raise_scale(self, commodity: str, decimals: int, place: Place) -> None:
        if decimals > SCALE_MAX:
            raise JournalError(
                place, f"An amount has {decimals} digits after the decimal mark; {SCALE_MAX} are allowed."
            )
        self._scales[commodity] = decimals

    def _account(self, account: str, commodity: str, place: Place, *, technical: bool) -> str:
        key = (account, commodity, technical)
        found = self._ids.get(key)
        if found is not None:
            return found
        make_id = names.technical_id if technical else names.account_id
        made = make_id(account, commodity)
        code = names.currency_code(commodity)
        display_name = names.display_name(account, commodity)
        if len(display_name) > names.DISPLAY_NAME_MAX:
            raise JournalError(
                place, f"Account and commodity have {len(display_name)} characters together; 254 are allowed."
            )
        other = self._commodities.setdefault(code, commodity)
        if other != commodity or made in self._books.accounts:
            raise JournalError(place, f"{display_name} and another name come to the same id, {made}.")
        kind = "E" if technical else type_of(account, self._journal.types)
        self._books.accounts[made] = PlannedAccount(
            made, display_name, kind, code, self._scales[commodity], place
        )
        self._ids[key] = made
        return made

    def _minor(self, quantity: Decimal, commodity: str, place: Place) -> int:
        scale = self._scales[commodity]
        minor = int(quantity.scaleb(scale))
        if quantity != Decimal(minor).scaleb(-scale):
            raise JournalError(
                place,
                f"{quantity:f} {commodity} has more digits after the decimal mark than the {scale} with "
                "which the ledger counts this commodity; import into another ledger.",
            )
        if not fits_int64(minor) or not fits_int64(-minor):
            raise JournalError(
                place,
                f"{quantity:f} {commodity} with {scale} digits after the decimal mark "
                "is more than the ledger can hold (2**63 - 1 smallest units).",
            )
        return minor

    def _id(self, transaction: Transaction, sums: "list[_Entry]") -> str:
        """Made of what the transaction is, and the how manieth of its like it is.

        Not of status, comments and tags, which change while books are kept,
        nor of how amounts are written.
        """
        lines = [_VERSION, transaction.date.isoformat(), _full_description(transaction)]
        lines += [
            f"{'*' if technical else ''}\x1e{account}\x1e{commodity}\x1e{quantity.normalize():f}"
            for account, commodity, technical, quantity in sums
        ]
        digest = hashlib.sha256("\x1f".join(lines).encode()).hexdigest()[:40]
        self._ordinals[digest] += 1
        return f"{digest}:{self._ordinals[digest]}"


# Account, commodity, whether it is one of ours, and the amount, debits above zero.
_Entry = tuple[str, str, bool, Decimal]


def _entries(transaction: Transaction) -> list[_Entry]:
    """What a transaction moves, in balance for every commodity.

    What a commodity leaves over, because it was changed into another, goes to a
    trading account of ours; what postings in parentheses leave over, which need
    not balance, to a virtual one.
    """
    lines: dict[tuple[str, str], list[Decimal]] = {}
    left_over: dict[tuple[str, str], Decimal] = {}
    for posting in transaction.postings:
        technical = names.VIRTUAL if posting.kind is Kind.FREE else names.TRADING
        for commodity, quantity in posting.amounts.items():
            if quantity:
                lines.setdefault((posting.account, commodity), []).append(quantity)
                key = (technical, commodity)
                left_over[key] = left_over.get(key, Decimal(0)) - quantity
    found: list[_Entry] = []
    for (account, commodity), quantities in lines.items():
        if any((quantity > 0) is not (quantities[0] > 0) for quantity in quantities):
            # The ledger takes an account on one side only.
            quantities = [sum(quantities, Decimal(0))]
        found += [(account, commodity, False, quantity) for quantity in quantities if quantity]
    return found + [(*key, True, quantity) for key, quantity in left_over.items() if quantity]


def _full_description(transaction: Transaction) -> str:
    code = f"({transaction.code}) " if transaction.code else ""
    return f"{code}{transaction.description}"


def _description(transaction: Transaction) -> str:
    text = _full_description(transaction)
    return text if len(text) <= DESCRIPTION_MAX else f"{text[: DESCRIPTION_MAX - 1]}…"


def _decimals(quantity: Decimal) -> int:
    """Digits after the mark that the value needs."""
    exponent = quantity.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "amounts are numbers"
    return max(0, -exponent)
