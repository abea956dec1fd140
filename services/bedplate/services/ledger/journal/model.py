"""What a journal holds, as it is written."""

import enum
from dataclasses import dataclass, field
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from typing import Literal

# Asset, liability, equity, revenue, expense.
TypeLetter = Literal["A", "L", "E", "R", "X"]

# Sums and products of amounts are exact, or the journal is not imported.
EXACT = Context(
    prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation, DivisionByZero], clamp=0
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; `line` counts from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}"


class JournalError(Exception):
    """The journal cannot be imported as it is.

    Attributes:
        place: Where.
        sentence: What is wrong, and how to mend it where that is not plain.
    """

    def __init__(self, place: Place, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place = place
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was read and has no effect here."""

    place: Place
    sentence: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of a commodity; `decimals` are the digits after the mark as written."""

    quantity: Decimal
    commodity: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Price:
    """What an amount cost: for each unit, or in total."""

    amount: Amount
    total: bool

    def cost_of(self, quantity: Decimal) -> Decimal:
        """What this quantity cost, in the price's commodity."""
        if self.total:
            return self.amount.quantity if quantity >= 0 else -self.amount.quantity
        return quantity * self.amount.quantity


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an account must hold after a posting.

    Attributes:
        amount: How much of its commodity.
        total: True: and nothing of any other commodity (`==`).
        inclusive: True: with all accounts below it (`=*`).
    """

    amount: Amount
    total: bool
    inclusive: bool


class Kind(enum.Enum):
    """How a posting takes part in the balance of its transaction."""

    REAL = enum.auto()  # account: balances with the real ones
    BALANCED = enum.auto()  # [account]: balances with those in brackets
    FREE = enum.auto()  # (account): need not balance


@dataclass(slots=True)
class Posting:
    """One line of a transaction.

    Attributes:
        line: Where it is written.
        account: Its name in full, after aliases.
        kind: How it takes part in the balance.
        amount: As written; None: left out.
        price: What the amount cost.
        assertion: What the account must hold afterwards; without an amount it
            says what the amount is.
        own_date: Its own date, where it has one.
        amounts: What it comes to, by commodity; `resolve` fills this in.
    """

    line: int
    account: str
    kind: Kind
    amount: Amount | None = None
    price: Price | None = None
    assertion: Assertion | None = None
    own_date: date | None = None
    amounts: dict[str, Decimal] = field(default_factory=dict)

    @property
    def is_assigned(self) -> bool:
        """Whether the assertion says what the amount is."""
        return self.amount is None and self.assertion is not None


@dataclass(slots=True)
class Transaction:
    """One entry of the journal. Status, comments and tags are read, and stay in the file."""

    place: Place
    date: date
    code: str
    description: str
    postings: list[Posting]


@dataclass(slots=True)
class Journal:
    """A journal with all files that it includes.

    Attributes:
        transactions: In the order in which they are written.
        types: The type of accounts by name, as declared.
        decimals: Digits after the mark by commodity, as declared by a directive.
        notes: What was read and has no effect.
    """

    transactions: list[Transaction] = field(default_factory=list)
    types: dict[str, TypeLetter] = field(default_factory=dict)
    decimals: dict[str, int] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
